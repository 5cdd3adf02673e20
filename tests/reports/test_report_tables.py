"""Plain tables: every figure is there, and nothing breaks out of its cell."""

import csv
import io

import pytest

from toolkit.errors import UsageError
from toolkit.reports.comparison import KINDS, Row, paper_rows
from toolkit.reports.differences import adjust, from_paper, paper_best
from toolkit.reports.label_tables import csv_labels, latex_labels, markdown_labels
from toolkit.reports.selection import ordered, parse_kinds
from toolkit.reports.table import COLUMNS, csv_table, latex_table, mark, markdown_table
from toolkit.statistics.metrics import METRICS

LABEL: dict[str, float | int | None] = {
    "ap": 0.5, "auroc": 0.6, "precision": 0.1, "recall": 0.2, "f1": 0.3, "support": 4,
}  # fmt: skip


def row(name: str, value: float, kind: str = "head") -> Row:
    return Row(
        name,
        kind,
        "linear on x",
        dict.fromkeys(METRICS, value),
        ci={"map": [value - 0.1, value + 0.1]},
        per_label={"a&b": LABEL},
        images=10,
        ap_ci={"a&b": [0.4, 0.6]},
        versus={"paper": {"accuracy": {"difference": -0.1, "outside": True}}},
    )


ROWS = [*paper_rows(), row("one|two_three", 0.123456789), row("m", 0.75, "ensemble")]


def test_csv_holds_every_figure_whole() -> None:
    lines = list(csv.DictReader(io.StringIO(csv_table(ROWS))))
    assert [line["name"] for line in lines] == [each.name for each in ROWS]
    assert float(lines[-2]["map"]) == 0.123456789
    assert (float(lines[-1]["map_low"]), lines[0]["map"]) == (0.65, "")
    labels = list(csv.DictReader(io.StringIO(csv_labels(ROWS))))
    assert [(line["label"], line["ap"], line["ap_low"]) for line in labels] == [
        ("a&b", "0.5", "0.4")
    ] * 2


def test_latex_is_balanced_and_escaped() -> None:
    for text, columns in ((latex_table(ROWS), len(COLUMNS) + 1), (latex_labels(ROWS), 5)):
        assert text.startswith(r"\begin{tabular}{l" + "r" * (columns - 1) + "}")
        assert text.rstrip().endswith(r"\end{tabular}")
        for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
            assert rule in text
        for line in text.splitlines():
            if line.endswith(r"\\") and r"\multicolumn" not in line:
                assert line.replace(r"\&", "").count("&") == columns - 1
    assert r"one|two\_three" in latex_table(ROWS)
    assert r"$^\circ$" in latex_table(ROWS)


def test_markdown_lines_have_one_width() -> None:
    for text in (markdown_table(ROWS), markdown_labels(ROWS)):
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
        assert r"one\|two_three" in text


def test_rows_are_kept_by_kind_and_sorted_within() -> None:
    heads = [row("low", 0.1), row("high", 0.9), row("mean", 0.5, "ensemble")]
    names = [each.name for each in ordered([*ROWS[:3], *heads[::-1]], "map")][3:]
    assert names == ["low", "high", "mean"]
    assert [each.name for each in ordered(heads, "map", ["head"], best_first=True)] == [
        "high", "low",
    ]  # fmt: skip
    turned = ordered([*ROWS[:3], row("blind", 0.07, "reference"), *heads], best_first=True)
    assert [each.name for each in turned] == [
        "high", "low", "mean", "blind", *(each.name for each in ROWS[:3]),
    ]  # fmt: skip
    assert parse_kinds("all") == KINDS
    for wrong in ("", "heads", "head,nonsense"):
        with pytest.raises(UsageError, match="kind: expected"):
            parse_kinds(wrong)


def test_the_papers_figure_is_outside_only_if_no_rounding_lets_it_in() -> None:
    best = paper_best("macro_precision")
    assert best is not None
    name, value, half = best
    assert (value, half) == (0.08, 0.005)
    metrics = dict.fromkeys(METRICS, 0.09)
    for low, outside in ((0.0849, False), (0.0851, True)):
        found = from_paper(metrics, {"macro_precision": [low, 0.2]})["macro_precision"]
        assert (found["name"], found["outside"]) == (name, outside)
        assert mark(found) == ("°" if outside else "")
    assert from_paper(metrics, {})["accuracy"]["outside"] is None
    assert paper_best("map") is None


def test_p_is_adjusted_over_the_members() -> None:
    every = [{"map": {"p": p, "p_holm": None}} for p in (0.01, 0.04, None)]
    adjust(every)
    assert [each["map"]["p_holm"] for each in every] == [0.02, 0.04, None]
    assert [mark(each["map"]) for each in every] == ["*", "*", ""]
