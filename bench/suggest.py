"""What labelling more images gives: those that suggest would name, against as many at random.

    python -m bench.suggest --data NAME [--known 0.1] [--more 300] [--seeds 3] [--strength 0.001]
        [--out FILE]

The data set must have all labels known. Of the training images of its ``paper`` split a share keeps
its labels, drawn anew with each seed; the labels of the others are hidden. A linear head of one
strength on frozen EfficientNet-Lite0 is fitted to what is known; ``--more`` images are labelled, by
the rule of ``suggest`` from the head's scores of the hidden images, or at random; and the head is
fitted again. Judged by mAP on the validation images, which nothing learns from and nobody may
choose. The test images are left out altogether.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import toolkit as tk
from toolkit.auditing.informative import informative
from toolkit.data.split_store import get_split
from toolkit.statistics.metrics import average_precision
from toolkit.storage.artifacts import artifacts_folder

Array = np.ndarray


def trial(
    X: Array, Y: Array, train: Array, held: Array, options: argparse.Namespace, seed: int
) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    order = random.permutation(train)
    count = round(options.known * len(train))
    known, pool = order[:count], order[count:]

    def fitted(rows: Array) -> tk.LinearHead:
        return tk.LinearHead(Cs=options.strength).fit(X[rows], Y[rows])

    def judged(head: tk.LinearHead) -> float:
        return float(np.nanmean(average_precision(Y[held], head.predict_proba(X[held]))))

    first = fitted(known)
    asked = np.ones((len(pool), Y.shape[1]), bool)
    named, _ = informative(first.predict_proba(X[pool]), asked, X[pool], options.more, X[known])
    chosen = {
        "suggested": pool[named],
        "random": random.choice(pool, options.more, replace=False),
    }
    found: dict[str, Any] = {"seed": seed, "before": round(judged(first), 4)}
    found |= {
        way: round(judged(fitted(np.concatenate([known, rows]))), 4) for way, rows in chosen.items()
    }
    found["positives_labelled"] = {way: int((Y[rows] == 1).sum()) for way, rows in chosen.items()}
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True)
    parser.add_argument("--known", type=float, default=0.1)
    parser.add_argument("--more", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strength", type=float, default=1e-3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    embedded = tk.embed(options.data)
    photos, X = embedded.dataset, embedded.X
    assert embedded.ids == photos.ids, "an image could not be decoded"
    split = get_split(photos, "paper", artifacts_folder(None))
    trials = [
        trial(X, photos.Y, split.train, split.validation, options, seed)
        for seed in range(options.seeds)
    ]
    document = {
        "made_by": f"python -m bench.suggest --data {options.data} --known {options.known} "
        f"--more {options.more} --seeds {options.seeds} --strength {options.strength}",
        "images": {"trained": len(split.train), "judged": len(split.validation)},
        "known_at_first": round(options.known * len(split.train)),
        "labelled_more": options.more,
        "gain_in_map": {
            way: round(float(np.mean([each[way] - each["before"] for each in trials])), 4)
            for way in ("suggested", "random")
        },
        "trials": trials,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
