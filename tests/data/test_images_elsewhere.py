"""Images that lie elsewhere than a table says: named with the option that finds them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import toolkit as tk
from tests.data.test_tables_of_people import QUIET, paint
from toolkit.errors import DataError


def test_images_elsewhere_are_named_with_the_option(tmp_path: Path) -> None:
    paint(tmp_path, "photos/a.jpg", "photos/cell_red.png")
    (tmp_path / "tables").mkdir()
    file = tmp_path / "tables" / "t.csv"

    def said(*names: str) -> str:
        file.write_text("\n".join(["image,cat", *(f"{name},1" for name in names)]))
        with pytest.raises(DataError) as caught:
            tk.Dataset.read(file, root=tmp_path / root, **QUIET)
        return str(caught.value)

    root = "tables"
    lie = f"files of such names lie in {tmp_path / 'photos'}: if they are these images, name it by"
    for name in ("a", "a.jpg"):
        assert said(name).endswith(f"{lie} root (--root)")
    for name in ("x/a.jpg", "/home/me/photos/a.jpg"):
        assert said(name).endswith(f"{lie} root (--root), and take the folders off the names")
    assert "no images lie below" in said("zzzz.jpg")
    root = "photos"
    (tmp_path / "photos" / "scan.dcm").write_bytes(b"x")
    assert "files .dcm are not read as images" in said("scan.dcm")
    assert "of such a name there is 'cell_red.png'" in said("cell")
    root = "."
    assert "without 'mine/' they are there" in said("mine/photos/a.jpg", "mine/photos/cell_red.png")


def test_files_of_equal_names_in_another_data_set_are_not_pointed_at(tmp_path: Path) -> None:
    paint(tmp_path, "other/im1.jpg", "other/images/im1.jpg")
    (tmp_path / "other" / "labels.csv").write_text("image,dog\nim1,1\n")
    (tmp_path / "mine").mkdir()
    for name in ("im1.jpg", "images/im1.jpg"):
        (tmp_path / "mine" / "t.csv").write_text(f"image,cat\n{name},1\n")
        with pytest.raises(DataError, match="no images lie below") as caught:
            tk.Dataset.read(tmp_path / "mine" / "t.csv", **QUIET)
        assert "other" not in str(caught.value)
    paint(tmp_path, "first/im1.jpg", "second/im1.jpg")
    (tmp_path / "mine" / "t.csv").write_text("image,cat\nim1.jpg,1\n")
    both = f"lie in first, second, folders in {tmp_path}: name the one that holds these images by"
    with pytest.raises(DataError, match=re.escape(both)):
        tk.Dataset.read(tmp_path / "mine" / "t.csv", **QUIET)
    frame = pd.DataFrame({"image": ["im1.jpg"], "cat": [1]})
    with pytest.raises(DataError, match=r"first, other, second, folders in .*: name the one"):
        tk.Dataset.from_frame(frame, root=tmp_path, **QUIET)
