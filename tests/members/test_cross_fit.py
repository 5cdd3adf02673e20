"""Cross-fitting: who may see what, and going on after a kill."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from toolkit.errors import DataError, UsageError
from toolkit.heads.head import OneClassWarning, OneVsRestHead
from toolkit.heads.linear import LinearHead
from toolkit.heads.registry import HEADS, make_head
from toolkit.members.cross_fit import Checkpoints, cross_fit
from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD
from toolkit.runtime.options import parse_options


class MeanHead(OneVsRestHead):
    """Scores every row by the labels' means; notes which rows it was fitted on."""

    LEARNED = ("mean",)
    seen: ClassVar[list[list[int]]] = []
    fail_at: ClassVar[int | None] = None

    def _fit(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray) -> None:
        if type(self).fail_at == len(type(self).seen):
            raise KeyboardInterrupt
        type(self).seen.append(X[:, 0].astype(int).tolist())
        self.mean_ = Y.mean(0)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        return np.tile(self.mean_, (len(X), 1))


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(40.0), rng.normal(size=40)]).astype(np.float32)
    Y = (rng.random((40, 3)) < 0.4).astype(np.uint8)
    fold = np.where(np.arange(40) < 32, np.arange(40) % 4, -1).astype(np.int16)
    MeanHead.seen, MeanHead.fail_at = [], None
    return X, Y, fold


def test_a_row_is_scored_by_the_model_that_never_saw_it(problem: Any) -> None:
    X, Y, fold = problem
    fitted = cross_fit(MeanHead(), X, Y, fold)
    for f, seen in enumerate(MeanHead.seen):
        assert set(seen) == set(np.flatnonzero((fold >= 0) & (fold != f)))
    for row in range(32):
        want = Y[(fold >= 0) & (fold != fold[row])].mean(0)
        np.testing.assert_allclose(fitted.scores[row], want, rtol=1e-6)
    want = np.mean([Y[(fold >= 0) & (fold != f)].mean(0) for f in range(4)], axis=0)
    np.testing.assert_allclose(fitted.scores[32:], np.tile(want, (8, 1)), rtol=1e-6)
    assert (fitted.origin[:32] == OUT_OF_FOLD).all()
    assert (fitted.origin[32:] == HELD_OUT).all()


@pytest.mark.parametrize(("head", "total"), [(MeanHead(), 4), (LinearHead(Cs=[0.01, 0.1]), 2)])
def test_how_many_steps_there_are_is_said_first(problem: Any, head: Any, total: int) -> None:
    heard: list[tuple[str, int]] = []
    cross_fit(
        head,
        *problem,
        on_start=lambda steps: heard.append(("start", steps)),
        on_progress=lambda steps: heard.append(("done", steps)),
    )
    assert heard[0] == ("start", total)
    assert sum(steps for what, steps in heard if what == "done") == total


def test_labels_outside_the_folds_change_nothing(problem: Any) -> None:
    X, Y, fold = problem
    other = Y.copy()
    other[fold < 0] = 1 - other[fold < 0]
    for head in (MeanHead(), LinearHead(Cs=[0.1, 1.0])):
        one, two = cross_fit(head, X, Y, fold), cross_fit(head, X, other, fold)
        np.testing.assert_array_equal(one.scores, two.scores)


def test_a_killed_fit_goes_on_at_the_last_finished_fold(problem: Any, tmp_path: Path) -> None:
    X, Y, fold = problem
    want = cross_fit(MeanHead(), X, Y, fold).scores
    MeanHead.seen, MeanHead.fail_at = [], 2
    with pytest.raises(KeyboardInterrupt):
        cross_fit(MeanHead(), X, Y, fold, checkpoints=Checkpoints(tmp_path / "c", "inputs"))
    assert len(MeanHead.seen) == 2
    MeanHead.fail_at = None
    again = Checkpoints(tmp_path / "c", "inputs")
    got = cross_fit(MeanHead(), X, Y, fold, checkpoints=again)
    assert len(MeanHead.seen) == 4  # the two that were finished were not fitted again
    np.testing.assert_array_equal(got.scores, want)
    again.clear()
    assert not (tmp_path / "c").exists()


def test_checkpoints_of_other_inputs_are_not_used(problem: Any, tmp_path: Path) -> None:
    X, Y, fold = problem
    cross_fit(MeanHead(), X, Y, fold, checkpoints=Checkpoints(tmp_path / "c", "one"))
    MeanHead.seen = []
    cross_fit(MeanHead(), X, Y, fold, checkpoints=Checkpoints(tmp_path / "c", "two"))
    assert len(MeanHead.seen) == 4


def test_an_empty_fold_is_an_error(problem: Any) -> None:
    X, Y, fold = problem
    with pytest.raises(DataError, match="fold"):
        cross_fit(MeanHead(), X, Y, np.where(fold == 1, -1, fold))


def test_tasks_are_learned_or_refused_but_never_dropped(problem: Any) -> None:
    X, Y, fold = problem
    aux = {"colour": X[:, :1]}
    for name in ("linear", "mlp"):
        with pytest.raises(UsageError, match="aux: expected none"):
            cross_fit(make_head(name), X, Y, fold, aux=aux)
    head = make_head("multitask", tasks=("colour",), hidden=4, epochs=1, precision="fp32")
    one, other = (
        cross_fit(head, X, Y, fold, aux={"colour": scale}).scores
        for scale in (aux["colour"], np.cos(aux["colour"]))
    )
    assert (one != other).any()


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_labels_with_one_class_are_named_once_for_all_folds(problem: Any, name: str) -> None:
    X, Y, fold = problem
    Y = Y.copy()
    Y[:, 1] = 0
    Y[np.flatnonzero(fold == 0)[:2], 1] = 1  # all positives lie in fold 0
    head = make_head(name, **({"hidden": 4, "epochs": 1} if name == "mlp" else {"Cs": [0.1]}))
    with pytest.warns(OneClassWarning, match="label 'dog'.*of a fold") as found:
        cross_fit(head, X, Y, fold, labels=["cat", "dog", "sea"])
    assert len(found) == 1


@pytest.mark.parametrize("name", sorted(HEADS))
def test_heads_are_made_by_name(name: str) -> None:
    head = make_head(name)
    assert isinstance(head, OneVsRestHead)
    with pytest.raises(UsageError, match="takes"):
        make_head(name, nonsense=1)


def test_an_unknown_head_lists_those_there() -> None:
    with pytest.raises(UsageError, match="linear, mlp, lightgbm"):
        make_head("forest")
    with pytest.raises(UsageError, match="key=value"):
        parse_options(["gamma"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"fold": np.arange(5)},
        {"Y": np.zeros((7, 2))},
        {"X": np.zeros(90)},
        {"fold": np.zeros(90)},
        {"head": LinearHead},
    ],
)
def test_shapes_that_differ_are_refused(problem: Any, wrong: dict[str, Any]) -> None:
    X, Y, fold = problem
    with pytest.raises((DataError, UsageError), match="expected"):
        cross_fit(**{"head": LinearHead(), "X": X, "Y": Y, "fold": fold} | wrong)


def test_lists_and_frames_are_arrays_too(problem: Any) -> None:
    import pandas as pd

    X, Y, fold = problem
    head = LinearHead(Cs=[0.1])
    plain = cross_fit(head, X, Y, fold).scores
    given: Any = pd.DataFrame(X), Y.tolist(), pd.Series(fold)
    again = cross_fit(head, *given).scores
    np.testing.assert_array_equal(again, plain)


def test_large_features_are_not_copied_and_test_labels_still_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 6)).astype(np.float32)
    Y = (X[:, :3] + random.normal(size=(120, 3)) > 0).astype(np.int8)
    fold = np.arange(120) % 4 - 1
    usual = cross_fit(LinearHead(Cs=[1e-2, 1.0]), X, Y, fold)
    for large in ("members.cross_fit", "heads.linear", "heads.standardised_rows"):
        monkeypatch.setattr(f"toolkit.{large}.STREAMED", 0)
    scrambled = np.where((fold >= 0)[:, None], Y, random.integers(-1, 2, Y.shape))
    found = [cross_fit(LinearHead(Cs=[1e-2, 1.0]), X, each, fold) for each in (Y, scrambled)]
    assert found[0].scores.tobytes() == found[1].scores.tobytes()
    np.testing.assert_allclose(found[0].scores, usual.scores, atol=2e-3)
