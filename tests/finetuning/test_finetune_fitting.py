"""Fitting: whose scores are honest is said, and only those rows are scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.finetuning.finetune_fakes import QUICK, one_thread, pictures, tiny
from toolkit.errors import DataError, StoppedError, UsageError
from toolkit.finetuning.callbacks import Callbacks
from toolkit.finetuning.fitting import Fitted, SplitRows, fit
from toolkit.finetuning.journal import read_journal
from toolkit.finetuning.objective import positive_weights
from toolkit.finetuning.protocols import answers, corrected, measure, published
from toolkit.finetuning.run_folder import end_folder, prepare_folder
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.paper.results import result
from toolkit.statistics.origins import HELD_OUT, IN_SAMPLE, OUT_OF_FOLD

__all__ = ["one_thread"]
AT = np.arange(60)
SHORT = replace(QUICK, epochs=1)
ONE = SplitRows(AT[:40], AT[40:50], AT[50:])
FOLDED = SplitRows(AT[:40], AT[40:50], AT[50:], np.where(AT < 50, AT % 3, -1))


def fitted(
    parts: SplitRows,
    settings: Settings = SHORT,
    Y: np.ndarray | None = None,
    callbacks: Callbacks | None = None,
) -> Fitted:
    X, own = pictures()
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    return fit(tiny, source, own if Y is None else Y, parts, settings, callbacks=callbacks)


def test_training_rows_are_left_out_and_rows_chosen_by_are_marked() -> None:
    plain = fitted(ONE)
    assert plain.rows.tolist() == list(range(40, 60))
    assert set(plain.origin) == {HELD_OUT}
    chosen = fitted(ONE, replace(SHORT, keep="best-validation-map"))
    assert (chosen.origin[:10] == IN_SAMPLE).all()
    assert (chosen.origin[10:] == HELD_OUT).all()
    early = fitted(ONE, replace(SHORT, patience=3))
    assert (early.origin[:10] == IN_SAMPLE).all()


@pytest.mark.parametrize("pos_weight", ["none", "train"])
def test_out_of_fold_scores_come_from_a_model_that_never_saw_the_row(pos_weight: str) -> None:
    _, Y = pictures()
    how = replace(SHORT, pos_weight=pos_weight)
    plain = fitted(FOLDED, how)
    assert plain.rows.tolist() == AT.tolist()
    assert (plain.origin == np.where(AT < 50, OUT_OF_FOLD, HELD_OUT)).all()
    assert sorted(plain.states) == ["fold-0", "fold-1", "fold-2"]
    turned = Y.copy()
    turned[FOLDED.fold == 1] ^= 1  # labels of fold 1, and of the test rows
    turned[50:] ^= 1
    other = fitted(FOLDED, how, turned)
    same = (plain.scores == other.scores).all(1)
    assert same[FOLDED.fold == 1].all()
    assert not same[FOLDED.fold == 0].any()


def test_scores_come_from_the_pictures_that_are_to_be_scored() -> None:
    """Trained on one source and scored on another, which is larger, as if it alone were given."""
    X, Y = pictures()
    larger = X.repeat(2, axis=1).repeat(2, axis=2)
    scored = Source(lambda rows: larger[rows], len(X), pixels=True)
    source = Source(lambda rows: X[rows], len(X), pixels=True, scored=scored)
    found = fit(tiny, source, Y, ONE, SHORT)
    plain = fitted(ONE)
    for key, value in plain.states["model"].items():
        np.testing.assert_array_equal(found.states["model"][key], value)
    assert not np.array_equal(found.scores, plain.scores)
    untrained = fit(tiny, scored, Y, ONE, replace(SHORT, epochs=0))
    again = fit(tiny, source, Y, ONE, replace(SHORT, epochs=0))
    np.testing.assert_array_equal(untrained.scores, again.scores)


def test_without_rows_to_score_the_network_is_not_asked() -> None:
    whole = fitted(SplitRows(AT, AT[:0], AT[:0]))
    assert whole.rows.size == 0
    assert whole.states["model"]
    folded = fitted(SplitRows(AT[:0], AT[:0], AT[:0], AT % 3))
    assert (folded.origin == OUT_OF_FOLD).all()


def test_without_training_rows_there_is_an_error() -> None:
    with pytest.raises(DataError, match="no training images"):
        fitted(SplitRows(AT[:0], AT[:10], AT[10:]))


def test_folds_that_were_done_before_a_stop_are_not_done_again(tmp_path: Path) -> None:
    whole = fitted(FOLDED)
    prepare_folder(tmp_path, "inputs", resume=True)
    steps: Iterator[int] = count()
    with pytest.raises(StoppedError):
        fitted(FOLDED, callbacks=Callbacks(tmp_path, stop=lambda: next(steps) == 6))
    done: list[int] = []
    prepare_folder(tmp_path, "inputs", resume=True)
    again = fitted(FOLDED, callbacks=Callbacks(tmp_path, on_step=done.append))
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert 0 < sum(done) < 100
    assert [line["epoch"] for line in read_journal(tmp_path / "fold-0" / "metrics.jsonl")] == [1]
    end_folder(tmp_path)
    assert not list(tmp_path.rglob("*.pt"))
    prepare_folder(tmp_path, "inputs", resume=True)
    assert not list(tmp_path.rglob("*.jsonl"))


@pytest.mark.parametrize("asked", [0, 4, 7, 11, 14, 17])
def test_a_stop_between_training_and_the_end_loses_nothing(tmp_path: Path, asked: int) -> None:
    """Wherever it comes, in a step or while a fold is scored, the end is the same."""
    whole = fitted(FOLDED)
    asks: Iterator[int] = count()
    with pytest.raises(StoppedError):
        fitted(FOLDED, callbacks=Callbacks(tmp_path, stop=lambda: next(asks) == asked))
    again = fitted(FOLDED, callbacks=Callbacks(tmp_path))
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert again.histories.keys() == whole.histories.keys()
    for name, state in whole.states.items():
        for key, value in state.items():
            np.testing.assert_array_equal(again.states[name][key], value)


def test_a_fold_that_ended_is_not_even_scored_again(tmp_path: Path) -> None:
    whole = fitted(FOLDED, callbacks=Callbacks(tmp_path))
    for file in tmp_path.glob("*/checkpoint.pt"):
        file.unlink()
    steps: list[int] = []
    again = fitted(FOLDED, callbacks=Callbacks(tmp_path, on_step=steps.append))
    assert not steps
    np.testing.assert_array_equal(again.scores, whole.scores)
    (tmp_path / "fold-1" / "end.pt").unlink()
    fitted(FOLDED, callbacks=Callbacks(tmp_path, on_step=steps.append))
    assert sum(steps) == (AT[:50] % 3 != 1).sum()


def test_training_that_diverges_says_so_and_what_to_do() -> None:
    with np.errstate(all="ignore"), pytest.raises(UsageError, match="lower the learning rate"):
        fitted(ONE, replace(SHORT, optimizer="sgd", learning_rate=1e30, gradient_norm=0.0))


def test_other_inputs_do_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    prepare_folder(tmp_path, "one", resume=True)
    fitted(ONE, callbacks=Callbacks(tmp_path))
    assert (tmp_path / "model" / "checkpoint.pt").is_file()
    prepare_folder(tmp_path, "one", resume=True)
    assert (tmp_path / "model" / "checkpoint.pt").is_file()
    prepare_folder(tmp_path, "one", resume=False)
    assert not (tmp_path / "model").exists()
    fitted(ONE, callbacks=Callbacks(tmp_path))
    with pytest.raises(UsageError, match="unfinished training"):
        prepare_folder(tmp_path, "two", resume=True)
    assert (tmp_path / "model" / "checkpoint.pt").is_file()
    prepare_folder(tmp_path, "two", resume=True, discard=True)
    assert not (tmp_path / "model").exists()


def test_published_weights_of_positives_count_test_images_too() -> None:
    Y = np.zeros((10, 3), np.uint8)
    Y[:2, 0], Y[9, 1] = 1, 1
    train = np.arange(5)

    def weights(of: str) -> list[float]:
        found = positive_weights(Y, Settings(pos_weight=of), train)
        assert found is not None
        weighed: list[float] = found.tolist()
        return weighed

    assert weights("all") == [4.0, 9.0, 1.0]
    assert weights("train") == [1.5, 1.0, 1.0]
    assert positive_weights(Y, Settings(), train) is None


def test_table_two_compares_logits_only_as_published() -> None:
    """A probability of 0.55 is a logit of 0.2: below every threshold but the last two."""
    scores = np.full((4, 1), 0.555)
    Y = np.ones((4, 1), np.uint8)
    found = answers("table2/1")

    def recalls(settings: Settings) -> list[float]:
        measured = measure(found, settings, Y, scores, ["a"])
        return [measured[each.key]["macro_recall"] for each in found]

    assert recalls(published(result("table2/1"))) == [0, 0, 0, 1, 1]
    assert recalls(corrected(result("table2/1"))) == [1, 1, 1, 1, 1]
    # the fault is a switch of its own
    mended = corrected(result("table2/1")).changed({"threshold_scale": "logit"})
    assert recalls(mended) == [0, 0, 0, 1, 1]
    found = answers("table3/2")  # at 0.5
    assert recalls(Settings()) == [1]
    assert recalls(Settings(threshold_scale="logit")) == [0]


def test_a_result_of_single_labels_is_measured_on_them() -> None:
    found = answers("prose/vgg-people")
    Y = np.array([[1, 0], [0, 1]], np.uint8)
    measured = measure(found, Settings(), Y, Y * 0.9, ["people", "sea"])
    assert measured["prose/vgg-people"]["per_label"]["people"]["precision"] == 1.0
