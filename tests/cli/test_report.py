"""compare and report on a small data set: one set of figures, whatever shows them."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cli.conftest import Drive, copied
from toolkit.reproduction.recipe import load_recipe

FAST = ("--resamples", 60)


class Page(HTMLParser):
    """The parts of a page that the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.unnamed: list[str] = []
        self.rows: list[dict[str, float | None]] = []
        self.texts: list[tuple[str, str]] = []
        self.headline = ""
        self._in: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.loads += [found[key] or "" for key in ("src", "href", "xlink:href") if key in found]
        if tag == "img" and not found.get("alt"):
            self.unnamed.append(str(found.get("src"))[:40])
        if tag == "svg" and not found.get("aria-label"):
            self.unnamed.append("svg")
        if tag == "tr":
            self.rows.append({})
        if tag == "td" and "data-key" in found:
            value = found.get("data-value")
            self.rows[-1][str(found["data-key"])] = None if value is None else float(value)
            self.texts.append((str(found["data-key"]), ""))
        if tag in ("td", "p"):
            self._in = found.get("data-key") or found.get("id")

    def handle_endtag(self, tag: str) -> None:
        self._in = None if tag in ("td", "p") else self._in

    def handle_data(self, data: str) -> None:
        if self._in == "headline":
            self.headline += data
        elif self._in is not None and "." in self._in:
            key, text = self.texts[-1]
            self.texts[-1] = (key, text + data)


@pytest.fixture
def scored(toolkit: Drive, fitted: Path, tmp_path: Path) -> Drive:
    copied(fitted, tmp_path / "artifacts")
    return toolkit


def at(row: object, key: str) -> object:
    for part in key.split("."):
        if isinstance(row, list):
            row = row[int(part)]
        else:
            row = row.get(part) if isinstance(row, dict) else None
    return row


def prints(text: str, value: float) -> bool:
    """Tell whether a text is this value, as it is or in percent, at the digits that it has."""
    digits = len(text.partition(".")[2])
    return any(f"{scale * value:.{digits}f}" == text.lstrip("+") for scale in (1, 100))


def leaves(node: object) -> Iterator[float]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from leaves(each)
    elif isinstance(node, (int, float)):
        yield float(node)


def test_a_page_shows_what_compare_says_and_needs_nothing_else(
    scored: Drive, tmp_path: Path
) -> None:
    journal = tmp_path / "artifacts" / "reports" / "training" / "strong" / "whole"
    journal.mkdir(parents=True)
    epochs = [
        {"epoch": e, "train_loss": 1 / e, "validation_loss": 1.1 / e, "validation_accuracy": 0.5}
        for e in (1, 2, 3)
    ]
    (journal / "metrics.jsonl").write_text("\n".join(json.dumps(each) for each in epochs))
    audit = tmp_path / "audit.json"
    finding = {"severity": "note", "kind": "labels", "sentence": "a <b> found", "advice": "look",
               "evidence": {}}  # fmt: skip
    audit.write_text(json.dumps({"dataset": "small", "findings": [finding]}))
    out = tmp_path / "report.html"
    made = scored("report", "--out", out, "--audit", audit, *FAST, "--json")
    assert made.code == 0, made.err
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    compared = scored("compare", *FAST, "--json").document
    kept = re.search(r'<script type="application/json" id="document">(.*?)</script>', text, re.S)
    assert kept is not None
    held = json.loads(kept[1])

    def by_name(document: dict[str, list[dict[str, object]]]) -> list[str]:
        return sorted(json.dumps(row, sort_keys=True) for row in document["rows"])

    assert by_name(held) == by_name(compared) == by_name(made.document)
    shown = [line for line in page.rows if line]
    assert len(shown) == len(held["rows"])
    for line, row in zip(shown, held["rows"], strict=True):
        for key, value in line.items():
            assert value == at(row, key), (row["name"], key)
    # and what is read is those figures: each cell, both ends of an interval, the headline
    texts = iter(page.texts)
    for line, row in zip(shown, held["rows"], strict=True):
        for expected in line:  # columns that do not apply are left out
            key, read = next(texts)
            assert key == expected
            figure = at(row, key)
            if key == "ci.map.0" and figure is not None:
                assert read == "-".join(f"{end:.3f}" for end in row["ci"]["map"])
            elif key == "supported.map.value" and figure is not None:
                assert read.startswith(f"{figure:.3f} ({row['supported']['map']['labels']}) ")
            elif figure is None:
                assert read in ("", "–"), (row["name"], key)
            else:
                assert isinstance(figure, float)
                assert prints(read.rstrip("*°≈"), figure), (row["name"], key, read)
    assert next(texts, None) is None
    best = max((row for row in held["rows"] if row["tuned"]), key=lambda row: row["metrics"]["map"])
    said = re.findall(r"[-+]?\d+\.\d+", page.headline)
    assert len(said) >= 6
    known = list(leaves(best))
    for each in said:
        assert any(prints(each, value) for value in known), each
    assert not page.unnamed
    assert all(load.startswith(("#", "data:")) for load in page.loads), page.loads
    assert "http" not in text
    # figures name their own parts, the explorer the pictures that it holds
    assert "url(" not in re.sub(r'url\((#|"\$\{sheet\()', "", text)
    assert len(page.ids) == len(set(page.ids))
    links = {load[1:] for load in page.loads if load.startswith("#")}
    assert links <= set(page.ids)
    assert text.count("<svg") >= 11
    assert "a &lt;b&gt; found" in text
    assert "Left out" not in text
    assert len(text) < 5_000_000


def test_the_recipe_of_a_page_is_one_that_reproduce_takes(
    scored: Drive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import html

    from toolkit.reproduction.steps import VERBS, known_keys

    scored("report", "--out", tmp_path / "page.html", "--resamples", 0, "--members", "*")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    recipe = tmp_path / "redo.toml"
    found = re.search(r"<pre>(\[\[step\]\].*?)</pre>", text, re.S)
    assert found is not None
    recipe.write_text(html.unescape(found[1]))
    steps = load_recipe(recipe, known_keys())
    assert [step["name"] for step in steps] == ["strong", "weak", "both"]
    for step in steps:  # the members are there already, made from just this
        verb = VERBS[step.pop("command")]
        with caplog.at_level("INFO", logger="toolkit"):
            verb(**step, artifacts=tmp_path / "artifacts", progress=False)
        assert f"{step['name']} is up to date" in caplog.text


def test_a_page_without_members_says_what_to_do(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small")
    out = course.parent / "empty.html"
    assert toolkit("report", "--out", out, "--data", "small").code == 0
    text = out.read_text(encoding="utf-8")
    assert "toolkit ovr --head linear" in text
    assert "toolkit audit --data small --json" in text
    (course.parent / "other.json").write_text('{"dataset": "other", "findings": []}')
    for wrong, words in (("gone.json", "cannot be read"), ("other.json", "found 'other'")):
        refused = toolkit("report", "--out", out, "--audit", course.parent / wrong)
        assert refused.code == 2
        assert words in refused.err


def test_compare_in_every_form(
    scored: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ("compare", *FAST, "--members", "s*", "--kind", "reference,head")
    rows = scored(*plain, "--format", "json").document["rows"]
    assert [row["name"] for row in rows if row["kind"] == "head"] == ["strong"]
    assert {row["kind"] for row in rows} == {"reference", "head"}
    above = rows[-1]["versus"]["reference"]["map"]
    assert above["low"] <= above["difference"] <= above["high"]
    assert above["p"] == above["p_holm"] >= 2 / 61
    assert rows[-1]["versus"]["reference"]["macro_recall"]["p"] is None or above["p"] <= 1
    for label, each in rows[-1]["per_label"].items():
        pair = rows[-1]["ap_ci"][label]
        assert (pair is None) == (each["support"] < 5)
        assert pair is None or 0 <= pair[0] <= each["ap"] <= pair[1] <= 1
    for form, start in (
        ("csv", "name,kind"),
        ("markdown", "| "),
        ("latex", "% packages: booktabs"),
    ):
        for more in ((), ("--per-label",)):
            out = scored(*plain, "--format", form, *more).out
            assert out.startswith(start), form
            assert "strong" in out
    monkeypatch.setenv("COLUMNS", "80")
    for more in ((), ("--per-label",)):
        table = scored("compare", *FAST, *more).out
        assert max(map(len, table.splitlines())) <= 80
        assert "strong" in table
    picture = tmp_path / "table.svg"
    assert scored("compare", *FAST, "--svg", picture).code == 0
    drawn = picture.read_text(encoding="utf-8")
    assert "strong" in drawn
    assert "@font-face" not in drawn
    assert "http" not in re.sub(r'xmlns(:xlink)?="http://www.w3.org/[^"]*"', "", drawn)
    wrong = scored("compare", "--format", "word")
    assert (wrong.code, "format: expected rich" in wrong.err) == (2, True)


@pytest.mark.filterwarnings("always::toolkit.errors.LeftOutWarning")
def test_a_damaged_member_is_named_in_every_table_and_ends_in_exit_code_3(
    scored: Drive, tmp_path: Path
) -> None:
    assert scored("compare", *FAST, "--json").document["left_out"] == {}
    file = tmp_path / "artifacts" / "members" / "strong" / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    said = "Left out, as it is damaged: strong"
    for form in ("rich", "markdown", "latex"):
        shown = scored("compare", *FAST, "--format", form)
        assert (shown.code, said in shown.out) == (3, True), (form, shown.out)
        assert "left out, member strong" in shown.err
    found = scored("compare", *FAST, "--json")
    assert (found.code, list(found.document["left_out"])) == (3, ["strong"])
    assert "strong" not in [row["name"] for row in found.document["rows"]]
    out = tmp_path / "report.html"
    made = scored("report", "--out", out, *FAST, "--json")
    assert (made.code, list(made.document["left_out"])) == (3, ["strong"])
    assert "left out, damaged" in out.read_text(encoding="utf-8")
    named = scored("compare", *FAST, "--members", "strong,weak")
    assert (named.code, named.out) == (1, "")
    assert scored("compare", *FAST, "--members", "weak").code == 0
