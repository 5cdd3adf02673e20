"""Steps from a first member to the best: what each adds to the one before it, out of fold.

    python bench/steps.py --data NAME --members A,B,C [--out FILE]

mAP of each member on the development images of the ``paper`` split, with its interval, and its
difference to the member before it, paired over resamples of the images. The members' own scores
are read; the test images are not touched.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import toolkit as tk


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data")
    parser.add_argument("--members", required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    members = options.members.split(",")
    found = tk.compare(options.data, members, part="development", paper=False)
    rows: dict[str, Any] = {row["name"]: row for row in found.facts()["rows"]}
    steps: dict[str, Any] = {}
    for before, name in zip([None, *members], members, strict=False):
        row = rows[name]
        steps[name] = {"what": row["source"], "map": rounded([row["metrics"]["map"]])[0]}
        steps[name] |= {"ci": rounded(row["supported"]["map"]["ci"])}
        if before is not None:
            gain = row["pairs"][before]
            steps[name] |= {"gain": rounded([gain["difference"], gain["low"], gain["high"]])}
    images = rows[members[0]]["images"]
    made_by = f"python bench/steps.py --data NAME --members {options.members}"
    document = {"made_by": made_by, "images": images, "steps": steps}
    print(json.dumps(document, indent=1))
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]


if __name__ == "__main__":
    main()
