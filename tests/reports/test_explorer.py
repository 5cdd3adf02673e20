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
from toolkit.features.backbones import Backbone
from toolkit.features.cache import EmbeddingCache
from toolkit.features.key import CacheKey, store_folder
from toolkit.images.preprocess import Preprocess
from toolkit.images.sprites import ACROSS, SIDE, sprite_sheets
from toolkit.members.held_out import Scored, held_out
from toolkit.members.member import Member
from toolkit.reports.embedding_map import EmbeddingMap, embedding_map, map_document
from toolkit.reports.explorer import explorer_document
from toolkit.reports.report import report
from toolkit.runtime.progress import Progress
from toolkit.storage.files import write_json

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


def clustered(folder: Path) -> tuple[Dataset, Member, CacheKey, np.ndarray]:
    """Make a data set whose embeddings are stored and lie in four clusters, and its member."""
    dataset, member = scored_set(folder, ("a", "b"), 400, 0.3)
    backbone = Backbone(
        "fake", "none", "0" * 64, Preprocess(8, 8, "bilinear", (0.5,) * 3, (0.5,) * 3), "default", 8
    )
    key = CacheKey(backbone, ("original",), "fp32")
    X = np.eye(4, 8)[np.arange(400) % 4] + 0.05 * np.random.default_rng(1).random((400, 8))
    X = X.astype(np.float32)
    cache = EmbeddingCache(store_folder(folder, key), key)
    cache.append([digest.tobytes() for digest in dataset.digests], X)
    write_json(member.folder / "model" / "notes.json", {"keys": [key.facts()]})
    return dataset, member, key, X


def test_the_map_sets_test_images_beside_the_training_images_most_like_them(
    tmp_path: Path,
) -> None:
    dataset, member, _, X = clustered(tmp_path)
    split = paper_split(dataset.ids)
    shown = np.sort(split.test)[3:]
    found = embedding_map(dataset, split.development, shown, members=[member], artifacts=tmp_path)
    assert found is not None
    assert np.array_equal(found.rows, shown)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = unit[shown] @ unit[split.development].T
    best = split.development[np.argsort(-cosines, axis=1)[:, :3]]
    assert np.array_equal(found.near, best)
    assert np.allclose(found.cosines, -np.sort(-cosines, axis=1)[:, :3], atol=1e-6)
    # clusters stay together: a place is nearest to one of its own cluster
    far = np.linalg.norm(found.places[:, None] - found.places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    assert (shown[far.argmin(axis=1)] % 4 == shown % 4).mean() > 0.9
    page = map_document(found, dataset, np.sort(split.test))
    number = np.frombuffer(base64.b64decode(page["number"]), "<u2")
    assert np.array_equal(np.sort(split.test)[number], shown)
    near = np.frombuffer(base64.b64decode(page["near"]), "<i4").reshape(-1, page["each"])
    named = np.array(page["training"])[near]
    assert np.array_equal(named, np.array(dataset.ids)[best])


def test_the_plane_is_fitted_on_training_images_alone(tmp_path: Path) -> None:
    dataset, member, _, _ = clustered(tmp_path)
    split = paper_split(dataset.ids)
    test = np.sort(split.test)
    how: Any = {"members": [member], "artifacts": tmp_path}
    whole = embedding_map(dataset, split.development, test, **how)
    half = embedding_map(dataset, split.development, test[: len(test) // 2], **how)
    assert whole is not None
    assert half is not None
    assert (whole.explained, whole.searched) == (half.explained, half.searched)
    assert set(whole.near.ravel()) <= set(split.development.tolist())


def test_without_stored_embeddings_there_is_no_map(tmp_path: Path) -> None:
    dataset, member, key, _ = clustered(tmp_path)
    shutil.rmtree(store_folder(tmp_path, key))
    split = paper_split(dataset.ids)
    assert not embedding_map(
        dataset, split.development, split.test, members=[member], artifacts=tmp_path
    )


def scattered(dataset: Dataset, development: np.ndarray, rows: np.ndarray, **_: Any) -> Any:
    rng = np.random.default_rng(0)
    near = rng.choice(development, (len(rows), 3))
    places = rng.random((len(rows), 2))
    return EmbeddingMap(rows, places, near, np.full(near.shape, 0.5), 0.5, "<b>x</b>", 9)


def test_in_a_browser_it_counts_filters_and_takes_the_keyboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    labels = (*HOSTILE, "cat")
    dataset, member = pictured(tmp_path, labels, 300)
    monkeypatch.setattr("toolkit.reports.page.embedding_map", scattered)
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
        part("map").focus()
        for button in ("ArrowRight", "ArrowLeft", "ArrowUp"):
            seen.keyboard.press(button)
        seen.wait_for_function(
            "document.querySelectorAll('[data-part=chosen] li').length === 3"
            " && document.querySelector('[data-part=chosen] figcaption') !== null"
        )
        plain: Any = opened.new_context(java_script_enabled=False).new_page()
        plain.goto(page.as_uri())
        assert plain.locator("#explorer [data-alive]").is_hidden()
        assert "It needs JavaScript" in plain.locator("#explorer").inner_text()
        assert plain.locator("#labels table").first.is_visible()
        opened.close()
    assert wrong == []
