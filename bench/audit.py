"""Faults planted in painted data: how many the audit finds and names, and how often it is wrong.

    python bench/audit.py [--images 2400] [--rows 1000] [--seeds 20] [--out FILE]

Images are painted and embedded once. Each seed draws its rows of them anew and plants every fault
in the labels (duplicates: in the images), each in sound data of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from toolkit.auditing.alignment import NOT_AT_ALL
from toolkit.auditing.duplicates import find_duplicates
from toolkit.auditing.examine import Examination, examine
from toolkit.auditing.label_errors import out_of_fold_probabilities, suspects
from toolkit.data.dataset import Dataset
from toolkit.data.importer import published_order
from toolkit.data.split import make_folds, paper_split
from toolkit.data.synth import synthesise
from toolkit.features.backbones import BackboneSpec
from toolkit.features.fill import fill_store
from toolkit.features.key import CacheKey
from toolkit.features.matrix import gather
from toolkit.features.resolve import resolve
from toolkit.images.hashes import ImageHashes, hash_images
from toolkit.images.sources import Images
from toolkit.paper.results import IMAGES, POSITIVES
from toolkit.runtime.device import choose_precision

COPIES = 50
FLIPPED = 0.05
PERMUTATIONS = 999
SHARES = {label: count / IMAGES for label, count in POSITIVES.items()}


class Pictures(NamedTuple):
    """Painted images with their embeddings and hashes; the last ones are altered copies."""

    dataset: Dataset
    X: np.ndarray
    hashes: ImageHashes
    originals: int
    copied: np.ndarray


def paint(folder: Path, images: int, copies: int) -> Pictures:
    """Paint images, copy some smaller, brighter and compressed harder, and embed all."""
    source = folder / "source"
    synthesise(source, images, seed=0)
    copied = np.sort(np.random.default_rng(0).choice(images, copies, replace=False))
    for place, row in enumerate(copied.tolist()):
        with Image.open(source / "images" / f"im{row + 1}.jpg") as picture:
            small = picture.convert("RGB").resize((112, 112))
            brighter = small.point([min(255, int(1.06 * value)) for value in range(256)] * 3)
            brighter.save(source / "images" / f"im{images + place + 1}.jpg", quality=55)
    dataset = Dataset.read(source, "painted")
    known, load = resolve(BackboneSpec("efficientnet_lite0"), folder)
    key = CacheKey(known, precision=choose_precision("auto", "cpu"))
    fill_store(Images(dataset.ids, dataset.paths, dataset.digests), key, load, folder)
    matrix = gather(dataset.digests, [key], folder)
    assert len(matrix.rows) == len(dataset)
    return Pictures(dataset, matrix.X, hash_images(dataset.paths), images, copied)


def draw(
    pictures: Pictures, rows: np.ndarray, labels_of: np.ndarray
) -> tuple[Dataset, ImageHashes]:
    """Return some rows as a data set of its own, files numbered from 1."""
    whole, hashes = pictures.dataset, pictures.hashes
    names = tuple(f"im{number}" for number in range(1, len(rows) + 1))
    dataset = replace(
        whole,
        ids=names,
        files=tuple(f"{name}.jpg" for name in names),
        Y=whole.Y[labels_of],
        digests=whole.digests[rows],
        stats=whole.stats[rows],
        shapes=whole.shapes[rows],
        modes=tuple(whole.modes[row] for row in rows.tolist()),
    )
    problem = tuple(hashes.problem[row] for row in rows.tolist())
    return dataset, ImageHashes(
        hashes.difference[rows], hashes.frequency[rows], hashes.flat[rows], problem
    )


class Trial:
    """One seed: sound data, and the faults planted in it."""

    def __init__(self, pictures: Pictures, rows: int, seed: int) -> None:
        self.pictures, self.random = pictures, np.random.default_rng(1000 + seed)
        self.rows = np.sort(self.random.choice(pictures.originals, rows, replace=False))
        self.dataset, self.hashes = draw(pictures, self.rows, self.rows)
        self.X, self.Y = pictures.X[self.rows], self.dataset.Y
        self.split = paper_split(self.dataset.ids)

    def audit(self, Y: np.ndarray) -> Examination:
        return examine(
            *(replace(self.dataset, Y=Y), self.X, self.split),
            prevalence=SHARES,
            permutations=PERMUTATIONS,
        )

    def explained(self, Y: np.ndarray, sentence: str | None) -> dict[str, float]:
        found = self.audit(Y)
        verdict = found.alignment is not None and found.alignment.verdict == NOT_AT_ALL
        why = None if found.explanation is None else found.explanation.sentence
        return {"found": verdict, "named": why == sentence}

    def shuffled(self) -> dict[str, float]:
        return self.explained(self.Y[self.random.permutation(len(self.Y))], None)

    def off_by_one(self) -> dict[str, float]:
        return self.explained(np.roll(self.Y, 1, axis=0), "labels come one row too late")

    def lexicographic(self) -> dict[str, float]:
        sentence = "labels are in numeric order, files in lexicographic order"
        return self.explained(self.Y[published_order(self.dataset.files)], sentence)

    def columns(self) -> dict[str, float]:
        """Two columns exchanged in a third of the rows, and the same two everywhere."""
        names, n = self.dataset.labels, len(self.Y)
        first = int(self.random.integers(0, n - n // 3))
        block = slice(first, first + n // 3)
        a, b = self.random.choice(np.flatnonzero(self.Y[block].sum(axis=0) >= 10), 2, replace=False)
        found: dict[str, float] = {}
        for where, rows in (("in_a_third", block), ("everywhere", slice(None))):
            Y = self.Y.copy()
            Y[rows, a], Y[rows, b] = self.Y[rows, b], self.Y[rows, a]
            swaps = self.audit(Y).swaps
            found[where] = bool(swaps) and all(
                set(swap.columns) == {names[a], names[b]} for swap in swaps
            )
        return found

    def flipped(self) -> dict[str, float]:
        flips = self.random.random(self.Y.shape) < FLIPPED
        given = (self.Y ^ flips).astype(np.uint8)
        fold = make_folds(self.split, given).fold
        P = out_of_fold_probabilities(self.X, given, fold)
        listed = suspects(P, given, self.dataset.labels, top=int(flips.sum()))
        hits = [flips[each.row, self.dataset.labels.index(each.label)] for each in listed]
        return {
            "precision_at_50": float(np.mean(hits[:50])),
            "precision_at_k": float(np.sum(hits) / flips.sum()),
        }

    def duplicated(self) -> dict[str, float]:
        """Half the copies byte for byte, half altered, in the test set's place."""
        there = self.pictures
        test, learned = self.split.test, self.split.development
        near = [
            (there.originals + place, int(np.searchsorted(self.rows, row)))
            for place, row in enumerate(there.copied.tolist())
            if row in self.rows[learned]
        ]
        chosen = self.random.permutation(len(near))[: COPIES // 2]
        pairs = [near[i] for i in chosen]
        rest = np.setdiff1d(learned, [row for _, row in pairs])
        exact = self.random.choice(rest, COPIES - len(pairs), replace=False)
        pairs += [(int(self.rows[row]), int(row)) for row in exact]
        rows = self.rows.copy()
        places = self.random.choice(test, COPIES, replace=False)
        rows[places] = [row for row, _ in pairs]
        dataset, hashes = draw(there, rows, self.rows)
        found = find_duplicates(dataset.digests, there.X[rows], hashes)
        across = {(pair.first, pair.second) for pair in found.across(self.split.part)}
        wanted = {tuple(sorted((p, row))) for p, (_, row) in zip(places, pairs, strict=True)}
        return {
            "found": len(across & wanted) / len(wanted),
            "pairs_not_planted": float(len(found.pairs) - len(across & wanted)),
        }

    def sound(self) -> dict[str, float]:
        found = self.audit(self.Y)
        alarms = [each.kind for each in found.findings if each.severity == "critical"]
        pairs = find_duplicates(self.dataset.digests, self.X, self.hashes).pairs
        return {"false_alarms": float(bool(alarms)), "pairs_not_planted": float(len(pairs))}


FAULTS: dict[str, Callable[[Trial], dict[str, float]]] = {
    "full shuffle": Trial.shuffled,
    "off by one": Trial.off_by_one,
    "lexicographic order": Trial.lexicographic,
    "two swapped columns": Trial.columns,
    "5 % of labels flipped": Trial.flipped,
    "50 duplicates across parts": Trial.duplicated,
    "none": Trial.sound,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=2400)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        pictures = paint(Path(folder), options.images, options.images // 5)
        print(f"painted and embedded in {time.perf_counter() - started:.0f} s", flush=True)
    trials = [Trial(pictures, options.rows, seed) for seed in range(options.seeds)]
    document: dict[str, Any] = {
        "made_by": "bench/audit.py",
        "images": "painted",
        "features": "efficientnet_lite0",
        "pool": options.images,
        "rows": options.rows,
        "seeds": options.seeds,
        "permutations": PERMUTATIONS,
        "faults": {},
    }
    for fault, plant in FAULTS.items():
        started = time.perf_counter()
        outcomes = [plant(trial) for trial in trials]
        document["faults"][fault] = {
            figure: {
                "mean": round(float(np.mean([o[figure] for o in outcomes])), 4),
                "least": round(float(min(o[figure] for o in outcomes)), 4),
                "most": round(float(max(o[figure] for o in outcomes)), 4),
            }
            for figure in outcomes[0]
        }
        seconds = (time.perf_counter() - started) / len(trials)
        print(f"{fault} ({seconds:.2f} s a seed)", document["faults"][fault], flush=True)
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
