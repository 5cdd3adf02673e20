"""Join: members' scores joined by image id, and refused where they cannot be combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Folds, Split
from toolkit.errors import MemberError, UsageError, counted, listed
from toolkit.members.member import Member
from toolkit.members.predictions import HELD_OUT, IN_SAMPLE, OUT_OF_FOLD, Predictions
from toolkit.members.stale import said_other
from toolkit.statistics.links import logits


@dataclass(frozen=True, eq=False)
class Joined:
    """Members' logits on the same rows, each row scored by models that never saw it.

    Attributes:
        names: M member names.
        labels: L label names.
        ids: n development images that every member scored out of sample.
        Y: ``int8 (n, L)``, their labels; -1 is unknown.
        fold: ``int64 (n,)``, the data set's fold of each.
        Z: ``float32 (n, M, L)``, logits of the members' scores.
        rest: t other images (of the test part) that every member scored; their labels are not here.
        rest_logits: ``float32 (t, M, L)``.
        folds_digest: of the folds.
        dataset_digest: of the data set.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    Y: np.ndarray
    fold: np.ndarray
    Z: np.ndarray
    rest: tuple[str, ...]
    rest_logits: np.ndarray
    folds_digest: str
    dataset_digest: str


def join(members: Sequence[Member], dataset: Dataset, split: Split, folds: Folds) -> Joined:
    """Join members on the development rows that all of them scored out of sample.

    Members made on the folds must have the very same rows. Members without folds, scored on
    held-out validation images only, reduce the rows to those that all share; their in-sample
    rows are never among them.

    Args:
        members: two or more, of different names.
        dataset: gives the truth of development rows.
        split: says which rows are development rows.
        folds: over the development rows.

    Raises:
        UsageError: fewer than two members.
        MemberError: a member is of another data set, other labels, folds or rows, or has in-sample
            scores; the message names the member and the difference.
    """
    names = tuple(member.name for member in members)
    if len(set(names)) < 2:
        raise UsageError(
            f"members: expected two or more, found {listed(names) or 'none'}: name more, "
            "as in a,b,c"
        )
    fold_of = dict(zip(folds.ids, folds.fold.tolist(), strict=True))
    development = {dataset.ids[row] for row in split.development}
    shared = development
    reference: Member | None = None
    for member in members:
        require_same_folds(member, dataset, folds)
        _require_untouched_test(member, development)
        if is_folded(member.scored):
            _require_own_rows(member, fold_of)
            reference = reference or member
            _require_same_rows(member, reference)
        shared = shared & _images(member.scored, member.scored.origin != IN_SAMPLE)
        if not shared:
            raise MemberError(
                f"member {member.name} has no development images with out-of-sample scores in "
                "common with the others: leave it out or make it on the same split"
            )
    rows = [row for row in split.development if dataset.ids[row] in shared]
    ids = tuple(dataset.ids[row] for row in rows)
    rest = _rest(members, [dataset.ids[row] for row in split.test])
    return Joined(
        names=names,
        labels=dataset.labels,
        ids=ids,
        Y=dataset.Y[rows],
        fold=np.array([fold_of[image] for image in ids], np.int64),
        Z=np.stack([logits(m.scored.for_ids(ids)) for m in members], axis=1),
        rest=rest,
        rest_logits=np.stack([logits(m.scored.for_ids(rest)) for m in members], axis=1),
        folds_digest=folds.digest,
        dataset_digest=dataset.digest,
    )


def is_folded(predictions: Predictions) -> bool:
    """Tell whether a member was made fold by fold."""
    return bool(predictions.folds_digest) or bool((predictions.origin == OUT_OF_FOLD).any())


def require_same_folds(member: Member, dataset: Dataset, folds: Folds) -> None:
    """Raise MemberError where a member is of another data set, other labels or other folds."""
    scored = member.scored
    if scored.dataset_digest != dataset.digest:
        raise MemberError(said_other(member, dataset))
    if scored.labels != dataset.labels:
        other = sorted(set(scored.labels) ^ set(dataset.labels)) or ["their order"]
        raise MemberError(
            f"member {member.name} has other labels than {dataset.name} ({listed(other)}): leave "
            "it out or make it again"
        )
    if is_folded(scored) and scored.folds_digest != folds.digest:
        own = len(set(scored.fold[scored.fold >= 0].tolist()))
        what = f"digest {scored.folds_digest[:8] or 'none'}, not {folds.digest[:8]}"
        way = "make it again with the same split and number of folds"
        if own != folds.k:
            what = f"{own} of them, not {folds.k}"
            way = f"folds={own} (--folds {own}) takes its number, or make it again"
        raise MemberError(f"member {member.name} was made on other folds ({what}): {way}")


def _images(predictions: Predictions, which: np.ndarray) -> set[str]:
    return {predictions.ids[row] for row in np.flatnonzero(which).tolist()}


def _require_untouched_test(member: Member, development: set[str]) -> None:
    learned = _images(member.scored, member.scored.origin != HELD_OUT) - development
    if learned:
        raise MemberError(
            f"member {member.name} learned from {counted(len(learned), 'image')} that this split "
            f"holds for testing ({listed(sorted(learned), 3)}): use the split it was made on"
        )


def _require_own_rows(member: Member, fold_of: dict[str, int]) -> None:
    scored = member.scored
    inside = int((scored.origin == IN_SAMPLE).sum())
    if inside:
        raise MemberError(
            f"member {member.name} has in-sample scores for {counted(inside, 'image')}: what "
            "learns from those learns how well it memorised; make it again with folds"
        )
    own = np.array([fold_of.get(image, -1) for image in scored.ids])
    moved = _images(scored, own != scored.fold)
    if moved:
        raise MemberError(
            f"member {member.name}: {counted(len(moved), 'row')} lie in another fold than the "
            f"digest of its folds stands for ({listed(sorted(moved), 3)}), so its scores were "
            "moved to other images: make it again"
        )


def _require_same_rows(member: Member, reference: Member) -> None:
    own, wanted = set(member.scored.ids), set(reference.scored.ids)
    lacks, extra = sorted(wanted - own), sorted(own - wanted)
    sides = [f"lacks {counted(len(lacks), 'image')} ({listed(lacks, 3)})"] if lacks else []
    sides += [f"has {len(extra):,} more ({listed(extra, 3)})"] if extra else []
    if sides:
        raise MemberError(
            f"member {member.name} {' and '.join(sides)} compared with member {reference.name}: "
            "make both again on the same images"
        )


def _rest(members: Sequence[Member], test: list[str]) -> tuple[str, ...]:
    some = [image for image in test if any(image in member.scored.row for member in members)]
    for member in members:
        missing = [image for image in some if image not in member.scored.row]
        if missing:
            raise MemberError(
                f"member {member.name} has no scores for {counted(len(missing), 'test image')} "
                f"that others have ({listed(missing, 3)}): make it again on the same images"
            )
    return tuple(some)
