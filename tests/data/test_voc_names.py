"""VOC's XML files go by their own names; one that says another image's name is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import toolkit as tk
from tests.data.test_formats import NAMES, voc_xml


@pytest.mark.parametrize("swapped", [False, True])
def test_a_filename_of_another_image_is_said(swapped: bool, tmp_path: Path) -> None:
    folder = voc_xml(tmp_path)
    wanted = tk.Dataset.read(folder, progress=False)
    first, second = (folder / "Annotations" / f"{name}.xml" for name in NAMES[:2])
    if swapped:
        first.write_text(first.read_text().replace(f"{NAMES[0]}.jpg", f"{NAMES[1]}.jpg"))
        second.write_text(second.read_text().replace(f"{NAMES[1]}.jpg", "elsewhere.jpg"))
    found = tk.Dataset.read(folder, progress=False)
    assert found.Y.tolist() == wanted.Y.tolist()
    said = (
        f"1 XML file with the filename of another image that is there ({NAMES[0]}.xml: {NAMES[1]})"
    )
    assert (said in repr(tk.preview_data(folder))) == swapped
