from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from toolkit.auditing.findings import Finding
from toolkit.auditing.html import TEMPLATES, published_page
from toolkit.images.thumbnails import Thumbnails
from toolkit.pages.page import page_environment


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = [tmp_path / f"im{i}.png" for i in range(4)]
    for path in paths:
        Image.fromarray(random.integers(256, size=(200, 300, 3), dtype=np.uint8)).save(path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return [*paths, tmp_path / "broken.jpg", tmp_path / "gone.jpg"]


def test_a_page_never_outgrows_its_budget(files: list[Path]) -> None:
    size = len(Thumbnails(files)(0))
    picture = Thumbnails(files, budget=int(2.5 * size))
    given = [picture(row) for row in (0, 0, 1, 2, 3)]
    assert given[0] == given[1] != ""
    assert given[2:] == ["", "", ""]
    assert sum(map(len, given)) <= 2.5 * size
    assert len(Thumbnails(files, side=32)(0)) < size


def test_a_file_without_a_picture_leaves_a_gap(files: list[Path]) -> None:
    picture = Thumbnails(files)
    assert picture(4) == picture(5) == ""


def test_a_page_escapes_what_it_is_given() -> None:
    page = published_page([Finding("note", "x", "<script>alert(1)</script>", "a & b")], [])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page


def test_a_long_table_scrolls_and_says_what_a_print_shows() -> None:
    template = page_environment(TEMPLATES).get_template("page.html.j2")
    nothing: dict[str, Any] = dict.fromkeys(
        ("published", "noise", "first", "by_label", "pairs", "partly")
    )
    for many in (60, 61):
        label = {"label": "l", "positives": 1, "p": None, "state": "cannot be told"}
        text = template.render(
            title="t", facts={}, findings=[], **nothing,
            alignment={"verdict": "v", "labels": [label] * many},
        )  # fmt: skip
        assert text.count("<tr>") == many + 1
        assert ('class="scroll long"' in text) == (many > 60)
        assert (f"{many} labels; a print shows the first 60." in text) == (many > 60)
