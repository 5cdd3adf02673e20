"""Unknown labels count in no figure of a report, and how many there are is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tests.reports.test_odd_data import scored_set
from toolkit.data.dataset import Dataset
from toolkit.data.split import paper_split
from toolkit.ensembles.thresholds import fit_thresholds
from toolkit.images.thumbnails import Thumbnails
from toolkit.inference.card import model_card
from toolkit.members.development import development_facts
from toolkit.members.held_out import held_out
from toolkit.members.member import Member, provenance, save_member
from toolkit.reports import data_figures, score_figures
from toolkit.reports.comparison import compared_rows, reference_rows
from toolkit.reports.data_figures import known_together
from toolkit.reports.mistakes import contact_sheets
from toolkit.reports.report import report

LABELS = ("bird", "cat", "dog", "never")


def partly(folder: Path, flip: bool = False) -> tuple[Dataset, Member]:
    """A data set with hidden cells and a member; ``flip``: with other scores at hidden cells."""
    dataset, member = scored_set(folder, LABELS, 160, 0.35)
    Y = dataset.Y.astype(np.int8)
    Y[np.random.default_rng(1).random(Y.shape) < 0.4] = -1
    Y[:, 3] = -1
    dataset = replace(dataset, Y=Y)
    scores = member.scored.scores
    if flip:
        scores = np.where(Y < 0, 1 - scores, scores)
    scored = replace(member.scored, dataset_digest=dataset.digest, scores=scores)
    return dataset, replace(member, scored=scored)


def test_rows_are_scikit_learns_label_by_label_on_known_rows(tmp_path: Path) -> None:
    dataset, member = partly(tmp_path)
    split = paper_split(dataset.ids)
    row = compared_rows(dataset, split, [member], paper=False, resamples=0)[-1]
    scored = held_out(dataset, split, member)
    for at, label in enumerate(LABELS[:3]):
        known = scored.truth[:, at] >= 0
        y, s = scored.truth[known, at], scored.scores[known, at]
        own = row.per_label[label]
        assert own["support"] == y.sum()
        assert own["ap"] == pytest.approx(sk.average_precision_score(y, s))
        assert own["auroc"] == pytest.approx(sk.roc_auc_score(y, s))
        assert own["f1"] == pytest.approx(sk.f1_score(y, s >= 0.5))
    assert row.per_label["never"]["ap"] is None
    assert row.labels_scored == 3


def test_chance_is_what_guessing_scores_on_known_cells(tmp_path: Path) -> None:
    dataset, _ = partly(tmp_path)
    Y = dataset.Y.copy()
    Y[:120, 0] = -1  # labels are known of unlike numbers of images
    dataset = replace(dataset, Y=Y)
    split = paper_split(dataset.ids)
    chance = next(row for row in reference_rows(dataset, split) if "chance" in row.name).metrics
    truth, learned = Y[split.test], Y[split.development]
    rates = (learned == 1).sum(axis=0) / np.maximum(1, (learned >= 0).sum(axis=0))
    draws = np.random.default_rng(0).random((4000, *truth.shape)) < rates
    known = truth >= 0
    right = [(each == truth)[known].mean() for each in draws]
    assert chance["accuracy"] == pytest.approx(np.mean(right), abs=0.005)


def test_co_occurrence_counts_pairs_that_are_known_of_both() -> None:
    Y = np.array([[1, 1, -1], [1, 0, 1], [1, -1, 1], [-1, 1, 0], [0, 1, 1]])
    together, both = known_together(Y)
    for a, b in np.ndindex(3, 3):
        known = (Y[:, a] >= 0) & (Y[:, b] >= 0)
        assert together[a, b] == ((Y[:, a] == 1) & (Y[:, b] == 1)).sum()
        assert both[a, b] == ((Y[:, a] == 1) & known).sum()
    whole = np.maximum(Y, 0).astype(float)
    for found, expected in zip(
        known_together(np.maximum(Y, 0)),
        (whole.T @ whole, np.repeat(whole.sum(0)[:, None], 3, axis=1)),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def pictures(folder: Path, flip: bool) -> list[str]:
    dataset, member = partly(folder, flip)
    split = paper_split(dataset.ids)
    rows = compared_rows(dataset, split, [member], paper=False, resamples=20)[-1:]
    scored = {"m": held_out(dataset, split, member), "n": held_out(dataset, split, member)}
    known = (scored["m"].truth >= 0).sum(axis=0)
    return [
        each.svg + each.caption
        for each in (
            score_figures.label_precision(rows, LABELS, known),
            score_figures.precision_recall_curves(scored, LABELS),
            score_figures.threshold_sweep(dataset, split, member),
            score_figures.reliability(scored, LABELS),
            score_figures.member_correlation(scored),
        )
    ]


def test_scores_of_unknown_cells_are_in_no_figure(tmp_path: Path) -> None:
    assert pictures(tmp_path / "a", flip=False) == pictures(tmp_path / "b", flip=True)


def test_mistakes_are_on_known_cells(tmp_path: Path) -> None:
    dataset, member = partly(tmp_path)
    scored = held_out(dataset, paper_split(dataset.ids), member)
    sure = replace(scored, scores=np.where(scored.truth == 1, 0.01, 0.99).astype(np.float32))
    sheets = contact_sheets(
        dataset, sure, np.full(4, 0.5), Thumbnails(dataset.paths, budget=0), 500
    )
    found: Any = dict(sheets)
    assert "never" not in found
    place = {image: at for at, image in enumerate(dataset.ids)}
    for label in LABELS[:3]:
        truth = scored.truth[:, LABELS.index(label)]
        assert len(found[label]) == (truth >= 0).sum()
        for each in found[label]:
            assert dataset.Y[place[each.image], LABELS.index(label)] == (each.kind == "missed")
            assert label in each.given or each.kind == "false alarm"


def test_shares_are_of_images_where_a_label_is_known_and_unknown_is_shown(tmp_path: Path) -> None:
    dataset, member = partly(tmp_path)
    split = paper_split(dataset.ids)
    labels, parts, together = (
        data_figures.label_distribution(dataset),
        data_figures.distribution_by_split(dataset, split),
        data_figures.co_occurrence(dataset),
    )
    unknown = dataset.unknown
    for at, label in enumerate(LABELS):
        said = f"{label} {(dataset.Y[:, at] == 1).sum()} ({100 * unknown[at]:.0f} % unknown)"
        assert said in labels.svg
    rows = dataset.Y[split.train, 0]
    assert f"bird {100 * (rows == 1).sum() / (rows >= 0).sum():.1f} %" in parts.svg
    assert "never unknown, unknown, unknown" in parts.svg
    assert "is known" in together.caption
    page = report(dataset, tmp_path / "r.html", members=[member], artifacts=tmp_path, resamples=20)
    text = page.path.read_text(encoding="utf-8")
    share = (dataset.Y[split.test] < 0).mean()
    assert f"{share:.1%} of the test images&#39; labels are unknown" in text


def test_a_model_card_counts_what_is_known(tmp_path: Path) -> None:
    dataset, member = partly(tmp_path)
    split = paper_split(dataset.ids)
    development = dataset.Y[split.development]
    fold = np.arange(len(development)) % 3
    scores = member.scored.scores[split.development]
    thresholds = fit_thresholds(development, scores, fold)
    kept = save_member(
        tmp_path, "kept", kind="head", source="made up", inputs="i", predictions=member.scored,
        recipe={}, provenance=provenance(0.0, dataset=dataset.name), states={},
        development=development_facts(dataset, split, member.scored),
    )  # fmt: skip
    text = model_card(kept, dataset, split, thresholds, [], resamples=20)
    counts = [(dataset.Y[part, 0] == 1).sum() for part in (split.development, split.test)]
    assert f"| bird | {counts[0]} | {counts[1]} |" in text
    assert "of the labels' cells are unknown" in text
