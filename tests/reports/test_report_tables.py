"""A comparison's tables: every figure is there, and nothing breaks out of its cell."""

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.cli.terminal_table import terminal_table
from toolkit.errors import UsageError
from toolkit.pages.escaping import csv_text
from toolkit.pages.tables import Table
from toolkit.reports.compare import Comparison
from toolkit.reports.comparison import KINDS, Row, paper_rows
from toolkit.reports.differences import adjust, from_paper, paper_best
from toolkit.reports.pair_table import level_with_best, pair_table
from toolkit.reports.pairs import paired_members
from toolkit.reports.selection import ordered, parse_kinds
from toolkit.reports.table import COLUMNS, mark, shown_columns
from toolkit.statistics.metrics import METRICS

LABEL: dict[str, float | int | None] = {
    "ap": 0.5, "auroc": 0.6, "precision": 0.1, "recall": 0.2, "f1": 0.3, "support": 4,
}  # fmt: skip
HOSTILE = "[x](javascript:a) <b>\\input{y} &|`=1\n"


def row(name: str, value: float, kind: str = "head", label: str = "a&b") -> Row:
    return Row(
        name,
        kind,
        "linear on x",
        dict.fromkeys(METRICS, value),
        ci={"map": [value - 0.1, value + 0.1]},
        per_label={label: LABEL},
        images=10,
        ap_ci={label: [0.4, 0.6]},
        versus={"paper": {"accuracy": {"difference": -0.1, "outside": True}}},
    )


def comparison(*rows: Row) -> Comparison:
    return Comparison("d", "paper", "test", 10, list(rows), [])


ROWS = comparison(*paper_rows(), row("one|two_three", 0.123456789), row("m", 0.75, "ensemble"))


def test_csv_and_frame_hold_every_figure_whole() -> None:
    lines = list(csv.DictReader(io.StringIO(ROWS.to_csv())))
    assert [line["name"] for line in lines] == [each.name for each in ROWS.rows]
    assert float(lines[-2]["map"]) == 0.123456789
    assert (float(lines[-1]["map_low"]), lines[0]["map"]) == (0.65, "")
    labels = list(csv.DictReader(io.StringIO(ROWS.to_csv(per_label=True))))
    assert [(line["label"], line["ap"], line["ap_low"]) for line in labels] == [
        ("a&b", "0.5", "0.4")
    ] * 2
    for per_label, read in ((False, lines), (True, labels)):
        frame = ROWS.to_frame(per_label=per_label)
        assert (list(frame), len(frame)) == (list(read[0]), len(read))


def test_latex_is_balanced_and_escaped() -> None:
    for per_label, columns in ((False, len(shown_columns(ROWS.rows)) + 1), (True, 5)):
        text = ROWS.to_latex(per_label=per_label)
        cells = "r" * (columns - 1)
        assert re.search(r"\\begin{tabular}{(l|p{.*})" + cells + "}", text)
        assert text.rstrip().endswith(r"\end{table}")
        for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{d, split paper"):
            assert rule in text
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
        for line in text.splitlines():
            if line.endswith(r"\\") and r"\multicolumn" not in line:
                assert line.replace(r"\&", "").count("&") == columns - 1
    assert r"one\textbar{}two\_three" in ROWS.to_latex()
    assert r"$^\circ$" in ROWS.to_latex()


def test_markdown_lines_have_one_width() -> None:
    for per_label in (False, True):
        text = ROWS.to_markdown(per_label=per_label)
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
        assert r"one\|two\_three" in text


def test_latex_explains_its_marks_and_says_which_letters_it_needs() -> None:
    text = ROWS.to_latex()
    assert r"$^\circ$: the paper" in text
    assert r"mAP: mean average precision;" in text
    assert "XeLaTeX" not in text
    assert "XeLaTeX" in comparison(row("画像", 0.5)).to_latex()
    long = comparison(row("n" * 90, 0.5)).to_latex()
    assert r"p{0.3\linewidth}" in long
    assert r"n\allowbreak{}n" in long
    assert "XeLaTeX" in replace(ROWS.table(), remark="of 画像").to_latex()


def test_latex_figures_have_minus_signs_and_fit_the_page() -> None:
    table = Table("t", ["", "a"], {"": [["x-1", "-0.5 0.1-0.2 [-1, +1]"]]}, ["", ""])
    text = table.to_latex()
    assert r"x-1 & $-$0.5 0.1--0.2 {[}$-$1, +1{]} \\" in text
    assert "packages: booktabs, graphicx" in text
    assert r"\resizebox{" in text
    paged = replace(table, groups={"": [["x", "1"]] * 80}).to_latex()
    assert "packages: booktabs, longtable" in paged
    assert paged.count(r"x & 1 \\") == 80
    assert r"\begin{table}" not in paged
    assert paged.count(r"\raggedleft a}") == 2  # the heads are above each page


@pytest.mark.skipif(shutil.which("xelatex") is None, reason="no LaTeX is installed")
def test_latex_compiles_whatever_a_label_is(tmp_path: Path) -> None:
    hostile = [HOSTILE, "[bracket", "{brace}", "50 % & $5 #1 ~ ^ _", "画像", "قطة", "🦄", "n" * 90]
    rows = [row(f"m {at} {name}", at / 10, label="x") for at, name in enumerate(hostile)]
    for each in rows:
        each.per_label.update(dict.fromkeys(hostile, LABEL))
    tables = [comparison(*rows[:4]).to_latex(per_label=True), comparison(*rows).to_latex()]
    for each in rows:
        each.per_label.update({f"label {at} {'n' * 90}": LABEL for at in range(80)})
    tables.append(comparison(*rows[:2]).to_latex(per_label=True))
    head = "\\documentclass{article}\\usepackage{booktabs,graphicx,longtable}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(head + "\n".join(tables) + "\\end{document}\n")
    done = subprocess.run(
        ["xelatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Float too large" not in done.stdout
    wide = re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)
    assert max(map(float, wide), default=0) < 5, done.stdout


def test_the_best_is_bold_in_every_form_and_others_are_level_or_not() -> None:
    pairs: dict[str, dict[str, float | None]] = {"b": {"p_holm": 0.4}, "c": {"p_holm": 0.01}}
    best, level, worse = row("a", 0.8), row("b", 0.7), row("c", 0.6)
    best.pairs.update(pairs)
    found = comparison(row("blind", 0.9, "reference"), worse, level, best)
    assert "| **0.800** |" in found.to_markdown()
    assert r"a & \textbf{0.800}" in found.to_latex()
    assert "<b>0.800</b>" in found.table().to_html()
    lines = {line[0]: line[1] for line in found.table().lines}
    assert lines == {"blind": "0.900", "a": "0.800", "b": "0.700≈", "c": "0.600"}
    assert "≈: not distinguishable from the best member" in found.table().notes
    assert "≈" not in comparison(best, worse).to_markdown()
    assert not comparison(best).table().best


def test_formulas_are_escaped_unless_that_is_switched_off() -> None:
    found = comparison(row("=1+1", 0.5, label="@SUM"), row("-x", 0.25, label="@SUM"))
    for per_label in (False, True):
        safe = list(csv.DictReader(io.StringIO(found.to_csv(per_label=per_label))))
        raw = found.to_csv(per_label=per_label, escape_formulas=False)
        assert [line["name"] for line in safe] == ["'=1+1", "'-x"]
        frame = pd.read_csv(io.StringIO(raw))
        assert list(frame["name"]) == ["=1+1", "-x"]
        number = "ap" if per_label else "map"
        assert list(frame[number]) == [float(line[number]) for line in safe]


def test_members_are_told_apart_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    base = 0.5 + 0.02 * rng.standard_normal(999)
    drawn: dict[str, tuple[float | None, np.ndarray]] = {
        "a": (0.5, base),
        "b": (0.49, base - 0.01 + 0.05 * rng.standard_normal(999)),
        "c": (0.4, base - 0.1),
        "d": (None, np.full(999, np.nan)),
    }
    found = paired_members(drawn)
    assert found["a"]["b"]["p_holm"] > 0.5
    # of the three pairs that can be tested two are equally sure, so Holm counts three for each
    assert found["a"]["c"]["p_holm"] == pytest.approx(3 * 2 / 1000)
    assert found["c"]["a"]["difference"] == pytest.approx(-0.1)
    assert (found["c"]["a"]["low"], found["c"]["a"]["high"]) == (
        -found["a"]["c"]["high"], -found["a"]["c"]["low"],
    )  # fmt: skip
    assert found["a"]["d"]["p_holm"] is None
    rows = [
        replace(row(name, value or 0.0), pairs=found[name]) for name, (value, _) in drawn.items()
    ]
    table = pair_table(rows, "t")
    assert table is not None
    assert table.lines[0][0] == "a"
    assert table.lines[0][3].startswith("+0.100* [")
    assert level_with_best(rows) == {"b"}
    few = paired_members({name: (value, each[:20]) for name, (value, each) in drawn.items()})
    assert few["a"]["b"]["least"] == pytest.approx(6 * 2 / 21)
    assert level_with_best([replace(each, pairs=few[each.name]) for each in rows]) == set()
    assert pair_table(rows[:1], "t") is None


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


def test_a_name_is_never_markup_nor_a_formula() -> None:
    found = comparison(row(HOSTILE, 0.5, label=HOSTILE), row("m", 0.4, label=HOSTILE))
    plain = comparison(row("n", 0.5, label="n"), row("m", 0.4, label="n"))
    for per_label in (False, True):
        table = found.table(per_label=per_label)
        assert Tags(table.to_html()).found == Tags(plain.table().to_html()).found
        text = table.to_markdown()
        assert not re.search(r"<|(?<!\\)[`\[\]]", text)
        assert text.count("\n") == plain.to_markdown(per_label=per_label).count("\n")
        tex = table.to_latex()
        assert r"\input" not in tex
        assert not re.search(r"^\s*\[|(?<!\{)\[", tex, re.MULTILINE)
        assert tex.count("\n") == plain.to_latex(per_label=per_label).count("\n")
    for evil in ("=1+1", "+1", "-1", "@SUM", "\t=1", "\r=1"):
        [[text, number]] = csv.reader(io.StringIO(csv_text([[evil, -1.5]]), newline=""))
        assert (text[0], text[1:].strip(), number) == ("'", evil.strip(), "-1.5")


def test_a_title_says_over_which_labels_the_mean_is() -> None:
    none = LABEL | {"ap": None, "support": 0}
    short = row("m", 0.5)
    short.per_label.update({"gone": none})
    found = comparison(short)
    assert "mAP over 1 of 2 labels, without positives here: gone" in found.title
    assert "mAP over" not in comparison(row("m", 0.5)).title
    assert all("1 of 2 labels" in text for text in (found.to_markdown(), found.to_latex()))
    assert all("1 of 2 labels" in text for text in (repr(found), found._repr_html_()))


@pytest.mark.parametrize("width", [200, 80, 40])
@pytest.mark.parametrize("per_label", [False, True])
def test_a_terminal_shows_whole_columns_and_says_which_are_left_out(
    width: int, per_label: bool
) -> None:
    from rich.console import Console

    names = [f"mlp-efficientnet_lite{at}+resnet" for at in range(9)]
    rows = [row(name, 0.5 + at / 100) for at, name in enumerate(names)]
    table = comparison(*rows).table(per_label=per_label)
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    drawn, notes = terminal_table(table, width)
    console.print(drawn)
    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    columns = len(drawn.columns)
    for line in table.lines:
        for text in line[1:columns]:
            assert all(part in shown for part in text.split())
    assert (columns < len(table.heads)) == ("Left out for want of width" in notes.plain)
    for at, (head, key) in enumerate(zip(table.heads, table.keys, strict=True)):
        if key:
            assert (f"{head}: {key}" in notes.plain) == (at < columns), head
    assert ("°:" in notes.plain) == ("°" in shown)


def test_a_column_without_a_figure_is_not_shown() -> None:
    heads = [column.head for column in COLUMNS]
    assert set(ROWS.table().heads) <= {"", *heads}
    assert "macro-F1 tuned" not in ROWS.table().heads
    assert "Δ paper" in ROWS.table().heads
    assert (
        "precision"
        not in comparison(Row("x", "reference", "s", dict.fromkeys(METRICS))).table().heads
    )


def test_rows_are_kept_by_kind_and_sorted_within() -> None:
    papers = ROWS.rows[:3]
    heads = [row("low", 0.1), row("high", 0.9), row("mean", 0.5, "ensemble")]
    names = [each.name for each in ordered([*papers, *heads[::-1]], "map")][3:]
    assert names == ["low", "high", "mean"]
    assert [each.name for each in ordered(heads, "map", ["head"], best_first=True)] == [
        "high", "low",
    ]  # fmt: skip
    turned = ordered([*papers, row("blind", 0.07, "reference"), *heads], best_first=True)
    assert [each.name for each in turned] == [
        "high", "low", "mean", "blind", *(each.name for each in papers),
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
