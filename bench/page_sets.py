"""Four data sets for the pages: hostile names, one label, 80 labels, 1,000 labels.

Pictures are eight by eight coloured fields, drawn from factors that the labels follow from, so
that a frozen network has something to find.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

FACTORS, SIDE = 12, 96
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    "' onmouseover='alert(4)",
    '" autofocus onfocus="alert(5)',
    "[a](javascript:alert(6))",
    "`code` and ``more``",
    "\\input{x}\\1\\g<0>",
    "[begins with a bracket]",
    "{{ 7 * 7 }}{% raw %}",
    "=cmd()",
    "+1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "-2 - 3",
    "a | b || c",
    "5 $ and 10 $x_1^2$",
    "100 % & more # ~ ^",
    "under_score__init__",
    "http://example.org/?a=1&b=2",
    "עברית ואז latin",
    "画像と猫",
    "😀👩‍👩‍👧 🏳️‍🌈",
    "e\u0301a\u0308o\u0302 Z\u0351\u036b\u0343",
    "long " + "abcdefghi " * 19 + "end",
    "W" * 200,
)
HOSTILE_IDS = (
    "<script>alert(7)<",
    "<img src=x onerror=alert(8)>",
    "=cmd()",
    "a|b",
    "x_y $5 & 100%",
    "back\\slash",
    "'quoted' \"twice\"",
    "עברית",
    "画像",
    "😀",
    "e\u0301",
    "`tick`",
    "[a](b)",
    "L" * 200,
)


@dataclass(frozen=True)
class Set:
    """One of the sets: names of its labels and images, and how many of these are for testing."""

    name: str
    labels: tuple[str, ...]
    images: int
    tested: int
    ids: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """Names of the pictures' files."""
        plain = [f"im{at}" for at in range(len(self.ids), self.images)]
        return [f"{name}.png" for name in (*self.ids, *plain)]


SETS = (
    Set("hostile", HOSTILE, 300, 100, HOSTILE_IDS),
    Set("one", ("cat",), 300, 100),
    Set("eighty", tuple(f"label {at:02}" for at in range(80)), 2400, 2000),
    Set("thousand", tuple(f"label {at:04}" for at in range(1000)), 500, 150),
)


def write_set(chosen: Set, folder: Path) -> Path:
    """Write pictures, a table of labels and one of the split; return the table of labels."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(len(chosen.labels))
    factors = random.normal(size=(chosen.images, FACTORS)).astype(np.float32)
    paint = random.normal(size=(FACTORS, 8 * 8 * 3)).astype(np.float32)
    fields = 128 + 24 * (factors @ paint).reshape(-1, 8, 8, 3)
    pixels = np.clip(fields + random.normal(0, 12, fields.shape), 0, 255).astype(np.uint8)
    for name, each in zip(chosen.files, pixels, strict=True):
        drawn = Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        drawn.save(folder / "images" / name)
    directions = random.normal(size=(FACTORS, len(chosen.labels)))
    z = factors @ directions + random.logistic(scale=0.7, size=(chosen.images, len(chosen.labels)))
    shares = np.geomspace(0.4, 0.03, len(chosen.labels))
    Y = z > np.quantile(z, 1 - shares, axis=0).diagonal()
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["image", *chosen.labels])
        for name, row in zip(chosen.files, Y.astype(int).tolist(), strict=True):
            lines.writerow([f"images/{name}", *row])
    with (folder / "split.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["image", "split"])
        for at, name in enumerate(chosen.files):
            test = at % chosen.images < chosen.tested
            part = "test" if test else "validation" if at % 8 == 0 else "train"
            lines.writerow([f"images/{name}", part])
    return folder / "labels.csv"
