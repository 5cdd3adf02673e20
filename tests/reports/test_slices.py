"""Slices by metadata: the images that a column names, numbers in thirds."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.reports.test_odd_data import scored_set
from toolkit.data.split import paper_split
from toolkit.images.colours import brightness, colour_statistics
from toolkit.members.held_out import held_out
from toolkit.reports.slices import slices


def test_columns_of_metadata_cut_the_images(tmp_path: Path) -> None:
    dataset, member = scored_set(tmp_path, ("a", "b"), 900, 0.3)
    n = len(dataset)
    cameras = tuple(("slr", "phone", "")[row % 3] for row in range(n))
    years = tuple(str(1990 + row % 30) for row in range(n))
    many = tuple(f"author {row}" for row in range(n))
    dataset = replace(dataset, metadata={"camera": cameras, "year": years, "author": many})
    scored = held_out(dataset, paper_split(dataset.ids), member)
    found = slices(dataset, scored, np.full(2, 0.5), resamples=0)
    by = {(each.kind, each.name): each for each in found}
    mine = np.array(cameras, dtype=object)[scored.rows]
    for value, name in (("slr", "slr"), ("phone", "phone"), ("", "not given")):
        assert by["camera", name].images == (mine == value).sum()
        here = mine == value
        right = ((scored.scores[here] >= 0.5) == scored.truth[here]).mean()
        assert np.isclose(by["camera", name].accuracy, right)
    thirds = [each for each in found if each.kind == "year"]
    assert [each.name.split()[0] for each in thirds] == ["below", thirds[0].name[6:], "above"]
    low, high = int(thirds[0].name[6:]), int(thirds[2].name[6:])
    taken = np.array(years)[scored.rows].astype(int)
    assert [each.images for each in thirds] == [
        (taken < low).sum(), ((taken >= low) & (taken <= high)).sum(), (taken > high).sum()
    ]  # fmt: skip
    assert sum(each.images for each in thirds) == len(scored.rows)
    # a value that few images share is no slice
    assert not [each for each in found if each.kind == "author"]


def test_dark_and_bright_pictures_are_told_apart(tmp_path: Path) -> None:
    dataset, member = scored_set(tmp_path, ("a", "b"), 900, 0.3)
    scored = held_out(dataset, paper_split(dataset.ids), member)
    n = len(scored.rows)
    light = np.random.default_rng(0).random(n).astype(np.float32)
    light[:12] = np.nan
    found = slices(dataset, scored, np.full(2, 0.5), brightness=light, resamples=0)
    thirds = {each.name.split(",")[0]: each for each in found if each.kind == "brightness"}
    assert list(thirds) == ["dark", "middling", "bright"]
    assert sum(each.images for each in thirds.values()) == n - 12
    assert max(each.images for each in thirds.values()) <= (n - 12) // 3 + 2
    dark = light < float(thirds["dark"].name.split()[-1]) - 0.005  # its name is rounded
    assert dark.sum() <= thirds["dark"].images
    plain = slices(dataset, scored, np.full(2, 0.5), brightness=np.full(n, np.nan), resamples=0)
    assert plain == slices(dataset, scored, np.full(2, 0.5), resamples=0)


def test_brightness_is_seen_as_people_see_it() -> None:
    flat = np.array(
        [[[[255, 255, 255]]], [[[0, 0, 0]]], [[[0, 255, 0]]], [[[0, 0, 255]]]], np.uint8
    )
    found = brightness(colour_statistics(flat)[0])
    np.testing.assert_allclose(found, [1, 0, 0.587, 0.114], atol=1e-3)
