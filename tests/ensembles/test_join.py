"""Alignment: joined by id, and refused by name where members do not belong together."""

import numpy as np
import pytest

from tests.ensembles.ensemble_fakes import World, changed, world
from toolkit.data.split import make_folds
from toolkit.ensembles.join import Joined, join
from toolkit.errors import MemberError, UsageError
from toolkit.members.member import Member
from toolkit.members.predictions import HELD_OUT, IN_SAMPLE
from toolkit.statistics.links import logits


@pytest.fixture(scope="module")
def made() -> World:
    return world()


def pair(made: World) -> list[Member]:
    return [made.member(name, made.scores(2, at), at) for at, name in enumerate("pq")]


def run(made: World, members: list[Member]) -> Joined:
    return join(members, made.dataset, made.split, made.folds)


def test_rows_are_joined_by_id(made: World) -> None:
    joined = run(made, pair(made))
    place = {image: row for row, image in enumerate(made.dataset.ids)}
    rows = [place[image] for image in joined.ids]
    assert sorted(rows) == made.split.development.tolist()
    np.testing.assert_array_equal(joined.Y, made.truth[rows])
    np.testing.assert_array_equal(joined.fold, made.folds.fold[rows])
    for at in range(2):
        want = logits(made.scores(2, at).astype(np.float32))
        np.testing.assert_array_equal(joined.Z[:, at], want[rows])
        rest = [place[image] for image in joined.rest]
        assert rest == made.split.test.tolist()
        np.testing.assert_array_equal(joined.rest_logits[:, at], want[rest])


def test_one_member_is_no_ensemble(made: World) -> None:
    with pytest.raises(UsageError, match="two or more"):
        run(made, pair(made)[:1])


def test_another_data_set_or_other_labels_are_refused(made: World) -> None:
    p, q = pair(made)
    with pytest.raises(MemberError, match=r"member q .*another data set"):
        run(made, [p, changed(q, dataset_digest="other")])
    with pytest.raises(MemberError, match=r"member q has other labels.*z"):
        run(made, [p, changed(q, labels=("a", "b", "z"))])


def test_other_folds_are_refused(made: World) -> None:
    p, q = pair(made)
    with pytest.raises(MemberError, match="member q was made on other folds"):
        run(made, [p, changed(q, folds_digest="0123456789")])
    other = make_folds(made.split, made.truth, 4, seed=1)
    with pytest.raises(MemberError, match="member p was made on other folds"):
        join([p, q], made.dataset, made.split, other)


@pytest.mark.parametrize("seed", range(5))
def test_rows_moved_to_other_images_are_refused(made: World, seed: int) -> None:
    """The folds, held by their digest, say which fold an image has: moved rows show."""
    p, q = pair(made)
    ids = np.array(q.scored.ids)[np.random.default_rng(seed).permutation(len(made.dataset))]
    with pytest.raises(MemberError, match=r"member q.*(moved to other images|holds for testing)"):
        run(made, [p, changed(q, ids=tuple(ids.tolist()))])


def test_moved_rows_within_the_development_set_are_refused(made: World) -> None:
    p, q = pair(made)
    ids = list(q.scored.ids)
    inside = np.flatnonzero(q.scored.fold >= 0)
    one = inside[q.scored.fold[inside] == 0][0]
    two = inside[q.scored.fold[inside] == 1][0]
    ids[one], ids[two] = ids[two], ids[one]
    with pytest.raises(MemberError, match="member q: 2 rows lie in another fold"):
        run(made, [p, changed(q, ids=tuple(ids))])


def test_in_sample_scores_are_refused(made: World) -> None:
    p, q = pair(made)
    origin, fold = q.scored.origin.copy(), q.scored.fold.copy()
    row = int(np.flatnonzero(fold >= 0)[0])
    origin[row], fold[row] = IN_SAMPLE, -1
    with pytest.raises(MemberError, match="member q has in-sample scores for 1 image:"):
        run(made, [p, changed(q, origin=origin, fold=fold)])
    every = np.where(q.scored.fold >= 0, IN_SAMPLE, HELD_OUT).astype(np.int8)
    none = np.full(len(every), -1, np.int16)
    with pytest.raises(MemberError, match="member q has no development images"):
        run(made, [p, changed(q, origin=every, fold=none, folds_digest="")])


def test_a_member_that_learned_on_the_test_part_is_refused(made: World) -> None:
    p, q = pair(made)
    origin = q.scored.origin.copy()
    origin[np.flatnonzero(q.scored.fold < 0)[0]] = IN_SAMPLE
    with pytest.raises(MemberError, match=r"member q learned from 1 image .*testing"):
        run(made, [p, changed(q, origin=origin)])


def test_missing_rows_are_refused(made: World) -> None:
    p, q = pair(made)
    less = {key: getattr(q.scored, key)[1:] for key in ("ids", "scores", "origin", "fold")}
    with pytest.raises(MemberError, match=r"member q lacks 1 image .*compared with member p"):
        run(made, [p, changed(q, **less)])


def test_held_out_members_stack_on_the_rows_that_all_share(made: World) -> None:
    p = pair(made)[0]
    tuned = made.held_out_member("f", made.scores(3, 9))
    joined = run(made, [p, tuned])
    assert set(joined.ids) == {made.dataset.ids[row] for row in made.split.validation}
    assert joined.folds_digest == made.folds.digest
    assert len(joined.rest) == len(made.split.test)
    only = run(made, [tuned, made.held_out_member("g", made.scores(3, 8))])
    assert only.ids == joined.ids
    np.testing.assert_array_equal(only.fold, joined.fold)
