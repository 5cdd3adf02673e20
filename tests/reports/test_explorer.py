"""The explorer: its data are the scores, its squares the images; in a browser it counts rightly."""

import base64
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.reports.test_odd_data import HOSTILE, scored_set
from toolkit.data.dataset import Dataset
from toolkit.data.split import paper_split
from toolkit.images.sprites import ACROSS, SIDE, sprite_sheets
from toolkit.members.held_out import Scored, held_out
from toolkit.members.member import Member
from toolkit.reports.explorer import explorer_document
from toolkit.reports.report import report
from toolkit.runtime.progress import Progress

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pictured(folder: Path, labels: tuple[str, ...], n: int) -> tuple[Dataset, Member]:
    dataset, member = scored_set(folder, labels, n, 0.3)
    for at, path in enumerate(dataset.paths):
        Image.new("RGB", (20, 10), (at % 256, 100, 255 - at % 256)).save(path, "PNG")
    return dataset, member


def unpacked(text: str, kind: str, labels: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(labels, -1).T


def test_squares_stand_in_the_images_order_and_a_broken_one_is_grey(tmp_path: Path) -> None:
    dataset, _ = pictured(tmp_path, ("a",), 130)
    Path(dataset.paths[7]).write_bytes(b"no picture")
    sheets = sprite_sheets(dataset.paths, 10**7)
    assert len(sheets) == 2
    for at in (0, 7, 55, 99, 100, 129):
        sheet = Image.open(io.BytesIO(base64.b64decode(sheets[at // 100].partition(",")[2])))
        place = at % 100
        middle = (SIDE * (place % ACROSS) + SIDE // 2, SIDE * (place // ACROSS) + SIDE // 2)
        wanted = (128, 128, 128) if at == 7 else (at, 100, 255 - at)
        seen: Any = sheet.getpixel(middle)
        assert np.abs(np.subtract(seen, wanted)).max() <= 6, at
    assert sheet.size == (SIDE * ACROSS, SIDE * 3)
    assert len(sprite_sheets(dataset.paths, len(sheets[0]) + 1)) == 1


def test_the_page_holds_the_scores_of_the_images_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, member = pictured(tmp_path, ("a", "b", "c"), 300)
    scored = held_out(dataset, paper_split(dataset.ids), member)
    thresholds = {"m": np.array([0.3, 0.5, 0.7])}
    found = explorer_document(dataset, {"m": scored}, thresholds, Progress())
    at = [dataset.ids.index(image) for image in found["images"]]
    assert at == scored.rows.tolist()
    assert np.array_equal(unpacked(found["truth"], "i1", 3), dataset.Y[at])
    [each] = found["members"]
    shown = unpacked(each["scores"], "<u2", 3) / found["scale"]
    assert np.abs(shown - scored.scores).max() < 1e-5
    assert found["left_out"] == ""
    monkeypatch.setattr("toolkit.reports.explorer.IMAGES", 10)
    monkeypatch.setattr("toolkit.reports.explorer.LABELS", 2)
    less = explorer_document(dataset, {"m": scored}, thresholds, Progress())
    assert (len(less["images"]), len(less["labels"])) == (10, 2)
    assert f"10 of {len(at)} test images" in less["left_out"]
    assert "2 of 3 labels" in less["left_out"]


def test_only_images_that_all_members_scored_are_there(tmp_path: Path) -> None:
    dataset, member = pictured(tmp_path, ("a", "b"), 100)
    scored = held_out(dataset, paper_split(dataset.ids), member)
    fewer = Scored(scored.rows[1:], scored.truth[1:], scored.scores[1:])
    half = np.full(2, 0.5)
    found = explorer_document(
        dataset, {"m": scored, "n": fewer}, {"m": half, "n": half}, Progress()
    )
    assert found["images"] == [dataset.ids[row] for row in fewer.rows]
    one, other = (unpacked(each["scores"], "<u2", 2) for each in found["members"])
    assert np.array_equal(one, other)


def test_in_a_browser_it_counts_filters_and_takes_the_keyboard(tmp_path: Path) -> None:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    labels = (*HOSTILE, "cat")
    dataset, member = pictured(tmp_path, labels, 300)
    page = tmp_path / "r.html"
    report(dataset, page, members=member, resamples=0, artifacts=tmp_path, progress=False)
    scored = held_out(dataset, paper_split(dataset.ids), member)
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        seen: Any = opened.new_page()
        seen.set_default_timeout(120_000)
        wrong: list[str] = []
        seen.on("pageerror", lambda error: wrong.append(str(error)))

        def refuse(dialog: Any) -> None:
            wrong.append("a script ran")
            dialog.dismiss()

        seen.on("dialog", refuse)
        seen.goto(page.as_uri())

        def part(name: str) -> Any:
            return seen.locator(f'[data-part="{name}"]')

        part("label").scroll_into_view_if_needed()
        for label in ("cat", HOSTILE[2]):
            part("label").select_option(label=label)
            at = dataset.labels.index(label)
            for threshold in (0.25, 0.6):
                part("threshold").evaluate(
                    "(slider, value) => { slider.value = value;"
                    " slider.dispatchEvent(new Event('input')); }",
                    threshold,
                )
                says = scored.scores[:, at] >= threshold
                alarms = int((says & (scored.truth[:, at] == 0)).sum())
                part("kind").select_option("alarm")
                seen.wait_for_function(
                    "count => document.querySelector('[data-part=fp]').textContent === count"
                    " && document.querySelectorAll('#explorer .tile').length === Number(count)",
                    arg=str(alarms),
                )
                hits = int((says & (scored.truth[:, at] == 1)).sum())
                assert part("tp").inner_text() == str(hits)
        part("threshold").focus()
        before = float(part("value").inner_text())
        seen.keyboard.press("ArrowRight")
        seen.wait_for_function(
            "before => Number(document.querySelector('[data-part=value]').textContent) > before",
            arg=before,
        )
        plain: Any = opened.new_context(java_script_enabled=False).new_page()
        plain.goto(page.as_uri())
        assert plain.locator("#explorer [data-alive]").is_hidden()
        assert "It needs JavaScript" in plain.locator("#explorer").inner_text()
        assert plain.locator("#labels table").first.is_visible()
        opened.close()
    assert wrong == []
