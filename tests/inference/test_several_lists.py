"""Images of several lists keep apart."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from toolkit.inference.given import find_images


def test_images_of_one_name_in_two_lists_have_whole_paths(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "a.jpg")
        (tmp_path / name / "k.csv").write_text("image\na.jpg\n")
    lists = [str(tmp_path / name / "k.csv") for name in ("x", "y")]
    found = [name for name, _ in find_images(lists)]
    assert found == [str(tmp_path / name / "a.jpg") for name in ("x", "y")]
    assert [name for name, _ in find_images(lists[0])] == ["a.jpg"]
