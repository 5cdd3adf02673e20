"""What labelling more images gives: those that suggest names, against as many at random.

    python -m bench.suggest --data NAME [--known 0.1] [--more 300] [--seeds 3] [--strength 0.001]
        [--out FILE]

The data set must have all labels known. Of the training images of its ``paper`` split a share keeps
its labels, drawn anew with each seed; the labels of the others are hidden. A linear head of one
strength on frozen EfficientNet-Lite0 is fitted, ``--more`` images are labelled, by ``suggest`` or
at random, and the head is fitted again, all through the public verbs. Judged by mAP on the
validation images, which nothing learns from and nobody may suggest: they are the test part of the
data sets made here. The test images of the paper's split are left out altogether.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import toolkit as tk
from toolkit.data.split_store import get_split
from toolkit.statistics.metrics import average_precision
from toolkit.storage.artifacts import artifacts_folder


def part_of(photos: tk.Dataset, rows: np.ndarray, learned: set[int]) -> tk.Dataset:
    """Return the data set of some rows, those that are learned from for training."""
    return tk.Dataset(
        name="whole",
        root=photos.root,
        ids=tuple(photos.ids[row] for row in rows),
        files=tuple(photos.files[row] for row in rows),
        labels=photos.labels,
        Y=photos.Y[rows],
        digests=photos.digests[rows],
        stats=photos.stats[rows],
        shapes=photos.shapes[rows],
        modes=tuple(photos.modes[row] for row in rows),
        parts=tuple("train" if row in learned else "test" for row in rows),
    )


def hidden(whole: tk.Dataset, name: str, known: np.ndarray) -> tk.Dataset:
    """Return a data set whose training images have labels where they are known only."""
    learned = np.array(whole.parts) == "train"
    Y = whole.Y.copy()
    Y[learned & ~known] = -1
    return tk.Dataset(
        **{
            **{key: getattr(whole, key) for key in whole.__dataclass_fields__},
            "name": name,
            "Y": Y,
        }
    )


def judged(member: tk.Member, whole: tk.Dataset) -> dict[str, float]:
    """Return the average precision of each label on the images that nothing learned from."""
    held = [i for i, part in enumerate(whole.parts) if part == "test"]
    scores = member.scored.for_ids([whole.ids[i] for i in held])
    found = average_precision(whole.Y[held], scores)
    return dict(zip(whole.labels, np.asarray(found).tolist(), strict=True))


def trial(
    whole: tk.Dataset, share: float, more: int, strength: float, seed: int, folder: Path
) -> dict[str, Any]:
    learned = np.flatnonzero(np.array(whole.parts) == "train")
    random = np.random.default_rng(seed)
    first = random.choice(learned, round(share * len(learned)), replace=False)
    start = np.zeros(len(whole), bool)
    start[first] = True
    place = {image: row for row, image in enumerate(whole.ids)}

    def fitted(way: str, known: np.ndarray) -> tk.Member:
        name = f"{way}-{seed}"
        data = hidden(whole, name, known)
        how: dict[str, Any] = {"split": "file", "set": {"Cs": strength}}
        return tk.ovr(data, name=name, **how, artifacts=folder, progress=False)

    before = fitted("before", start)
    named = tk.suggest(member=before, n=more, artifacts=folder, progress=False)
    chosen = {
        "suggested": np.array([place[row["image"]] for row in named.rows]),
        "random": random.choice(np.setdiff1d(learned, first), more, replace=False),
    }
    each: dict[str, Any] = {"before": judged(before, whole)}
    positives = {}
    for way, rows in chosen.items():
        known = start.copy()
        known[rows] = True
        assert int(known.sum()) == len(first) + more
        each[way] = judged(fitted(way, known), whole)
        positives[way] = int((whole.Y[rows] == 1).sum())
    rounded = {
        way: {"map": round(float(np.nanmean(list(ap.values()))), 4)}
        | {"ap": {label: round(value, 4) for label, value in ap.items()}}
        for way, ap in each.items()
    }
    print(seed, {way: found["map"] for way, found in rounded.items()}, positives, flush=True)
    return {"seed": seed, **rounded, "positives_labelled": positives}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True)
    parser.add_argument("--known", type=float, default=0.1)
    parser.add_argument("--more", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strength", type=float, default=1e-3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    own = artifacts_folder(None)
    photos = tk.embed(options.data).dataset
    photos.require_known("bench/suggest.py")
    split = get_split(photos, "paper", own)
    whole = part_of(photos, split.development, set(split.train.tolist()))
    with tempfile.TemporaryDirectory(dir=own) as place:
        # the embeddings are found by the images' content, wherever the data sets are kept
        Path(place, "embeddings").symlink_to((own / "embeddings").absolute())
        trials = [
            trial(whole, options.known, options.more, options.strength, seed, Path(place))
            for seed in range(options.seeds)
        ]
    gains = {
        way: [each[way]["map"] - each["before"]["map"] for each in trials]
        for way in ("suggested", "random")
    }
    document = {
        "made_by": f"python -m bench.suggest --data {options.data} --known {options.known} "
        f"--more {options.more} --seeds {options.seeds} --strength {options.strength}",
        "images": {"learned": len(split.train), "judged": len(split.validation)},
        "known_at_first": round(options.known * len(split.train)),
        "labelled_more": options.more,
        "gain_in_map": {
            way: {"mean": round(float(np.mean(gain)), 4), "each": [round(g, 4) for g in gain]}
            for way, gain in gains.items()
        },
        "trials": trials,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
