"""toolkit audit, on small pictures and a small random network."""

import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import NETWORK, Drive
from toolkit.data.dataset_store import load_dataset
from toolkit.data.split_store import get_folds, get_split

SMALL = ("audit", "--features", NETWORK, "--weights", "none", "--permutations", 199)


class Page(HTMLParser):
    """What a page loads, and its pictures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self.addresses += [of[key] or "" for key in ("src", "href", "srcset") if key in of]
        self.pictures += [of] if tag == "img" else []


def by_kind(document: Any) -> dict[str, Any]:
    return {found["kind"]: found for found in reversed(document["findings"])}


def test_sound_data_is_told_so_in_a_page_of_one_file(
    toolkit: Drive, course: Path, tmp_path: Path
) -> None:
    toolkit("data", "import", course, "--name", "small")
    done = toolkit(*SMALL, "--html", tmp_path / "page.html", "--json")
    assert done.code == 0, done.err
    assert done.document["verdict"] == "labels describe the images"
    assert done.document["images"] == 60
    alignment = by_kind(done.document)["alignment"]["evidence"]
    assert [label["label"] for label in alignment["labels"]] == ["day", "red"]
    assert alignment["permutations"] == 199
    page = Page(tmp_path / "page.html")
    assert page.pictures
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert all((picture["alt"] or "").startswith("image im") for picture in page.pictures)
    assert "url(" not in page.text
    for rule in ("prefers-color-scheme: dark", "@media print"):
        assert rule in page.text
    shown = toolkit(*SMALL).out
    assert "labels describe the images: 2 of 2 labels" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_the_published_pairing_is_told_and_explained(toolkit: Drive, course: Path) -> None:
    toolkit("data", "import", course, "--name", "small", "--pairing", "published")
    done = toolkit(*SMALL, "--json", "--skip-files")
    assert done.code == 0  # findings are no failure of the command
    assert done.document["verdict"] == "labels do not describe the images"
    assert done.document["worst"] == "critical"
    assert by_kind(done.document)["pairing"]["sentence"].startswith(
        "labels are in numeric order, files in lexicographic order: joined by id, mean AUROC 0."
    )
    assert toolkit(*SMALL, "--skip-files", "--strict").code == 1


def test_duplicates_are_kept_together_from_then_on(toolkit: Drive, course: Path) -> None:
    for number in range(1, 21):
        copy = course / "images" / f"im{number + 60}.jpg"
        shutil.copy(course / "images" / f"im{number}.jpg", copy)
    for file in (course / "annotations").glob("*.txt"):
        numbers = [int(line) for line in file.read_text("utf-8-sig").split()]
        numbers += [number + 60 for number in numbers if number <= 20]
        file.write_text("\n".join(map(str, numbers)))
    toolkit("data", "import", course, "--name", "small")
    early = toolkit("compare", "--split", "grouped")
    assert early.code == 2
    assert "toolkit audit --group-duplicates --data small" in early.err
    done = toolkit(*SMALL, "--group-duplicates", "--json")
    assert done.code == 0, done.err
    assert by_kind(done.document)["duplicates"]["evidence"]["exact_pairs"] == 20
    assert by_kind(done.document)["leakage"]["severity"] == "warning"
    artifacts = Path(os.environ["TOOLKIT_ARTIFACTS"])
    dataset = load_dataset(artifacts, "small")
    split = get_split(dataset, "grouped", artifacts)
    fold = get_folds(dataset, split, artifacts, k=3).fold
    first = np.array([dataset.ids.index(f"im{number}") for number in range(1, 21)])
    second = np.array([dataset.ids.index(f"im{number + 60}") for number in range(1, 21)])
    assert (split.part[first] == split.part[second]).all()
    assert (fold[first] == fold[second]).all()
    again = toolkit(*SMALL, "--split", "grouped", "--json").document
    assert "leakage" not in by_kind(again)
    assert "grouped" in toolkit("data", "info", "--json").document["splits"]


def test_images_that_cannot_be_decoded_are_a_finding_and_a_code(
    toolkit: Drive, course: Path, tmp_path: Path
) -> None:
    (course / "images" / "im7.jpg").write_bytes(b"not a picture")
    toolkit("data", "import", course, "--name", "small")
    done = toolkit(*SMALL, "--json", "--html", tmp_path / "page.html")
    assert done.code == 3
    assert "im7.jpg" in by_kind(done.document)["unreadable"]["sentence"]


def test_the_paper_is_audited_without_any_data(toolkit: Drive, tmp_path: Path) -> None:
    done = toolkit("audit", "--paper", "--json", "--html", tmp_path / "page.html")
    assert done.code == 0, done.err
    assert len(done.document["rows"]) == 21
    shown = toolkit("audit", "--paper").out
    assert max(map(len, shown.splitlines())) <= 100
    for row in done.document["rows"]:
        assert row["key"].replace("table", "T") in shown
        assert row["name"] in Page(tmp_path / "page.html").text
    assert "like chance" in shown
    assert not (tmp_path / "artifacts" / "datasets").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--group-duplicates", "--skip-files"], "leave skip_files out"),
        (["--features", ","], "expected at least one backbone"),
        (["--split", "grouped"], "no split by groups"),
        (["--permutations", "5"], "permutations"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(
    toolkit: Drive, course: Path, arguments: list[str], words: str
) -> None:
    toolkit("data", "import", course, "--name", "small")
    outcome = toolkit("audit", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert words in outcome.err
