"""How often the audit is wrong on made data: false criticals, faults missed, bounds that fail.

    python bench/audit_verdicts.py criticals|faults|noise [--seeds 100] [--out FILE]

Labels are joined rightly to features of a chosen strength, drawn anew for each seed. ``criticals``
counts data sets with a critical finding against the mean out-of-fold AUROC that they have on
average; ``faults`` plants faults in strong data and counts those named; ``noise`` flips labels at
random and counts bounds that hold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from toolkit.auditing.examine import Links, Stages, find_links
from toolkit.auditing.label_errors import label_noise, mislabelled, out_of_fold_probabilities
from toolkit.auditing.linear_probe import LinearProbe, principal_components
from toolkit.data.dataset import Dataset
from toolkit.data.importer import published_order
from toolkit.data.split import Split, stratified_split
from toolkit.statistics.metrics import auroc, defined_mean

WIDTH = 32
PERMUTATIONS = 299
STRONG = 3.0
AUROCS = (0.52, 0.55, 0.6, 0.65, 0.7)
Array = np.ndarray


class Scene(NamedTuple):
    """Features ``(n, 32)``, labels ``(n, L)``."""

    X: Array
    Y: Array


def labels(kind: str, n: int, L: int, random: np.random.Generator) -> Array:
    """Return correlated labels of 5 to 40 %, or labels of 5 to 8 positives each."""
    common = 0.6 * random.normal(size=(n, 1)) + 0.8 * random.normal(size=(n, L))
    share = np.linspace(0.05, 0.4, L) if L > 1 else np.array([0.2])
    Y = np.zeros((n, L), np.uint8)
    for j in range(L):
        count = int(random.integers(5, 9)) if kind == "few" else max(6, round(n * share[j]))
        Y[np.argsort(-common[:, j])[:count], j] = 1
    return Y


def scene(kind: str, n: int, L: int, strength: Any, random: np.random.Generator) -> Scene:
    """Return noise to which each label adds a direction of its own, ``strength`` long."""
    Y = labels(kind, n, L, random)
    directions = random.normal(size=(L, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return Scene((random.normal(size=(n, WIDTH)) + (Y * strength) @ directions), Y)


def strength_for(kind: str, n: int, L: int, wanted: float) -> float:
    """Find the strength whose mean out-of-fold AUROC is as wanted, over 10 to 60 pilots."""
    low, high = 0.0, 12.0
    for _ in range(8):
        middle = (low + high) / 2
        areas = []
        for seed in range(max(10, min(60, 6000 // n))):
            X, Y = scene(kind, n, L, middle, np.random.default_rng((1, seed)))
            probe = LinearProbe(principal_components(X), seed=seed)
            areas.append(defined_mean(auroc(Y, probe.scores(Y))))
        low, high = (middle, high) if np.mean(areas) < wanted else (low, middle)
    return high


def dataset_of(Y: Array) -> tuple[Dataset, Split]:
    """Return a data set of these labels without files, and its stratified split."""
    n, L = Y.shape
    ids = tuple(f"im{i + 1}" for i in range(n))
    dataset = Dataset(
        name="made",
        root=Path("nowhere"),
        ids=ids,
        files=tuple(f"{name}.jpg" for name in ids),
        labels=tuple(f"label{j:02}" for j in range(L)),
        Y=Y,
        digests=np.random.default_rng(0).integers(256, size=(n, 16), dtype=np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.full((n, 2), 64, np.int32),
        modes=("RGB",) * n,
    )
    return dataset, stratified_split(ids, Y)


def links(X: Array, Y: Array, split_of: Array | None = None, **options: Any) -> Links:
    """Search the links of labels ``Y``, with the split of labels ``split_of``."""
    dataset, split = dataset_of(Y if split_of is None else split_of)
    given = replace(dataset, Y=Y)
    return find_links(
        given, X.astype(np.float32), split, Stages(), permutations=PERMUTATIONS, **options
    )


def criticals(seeds: int) -> dict[str, Any]:
    """Count critical findings on labels that are joined rightly."""
    out: dict[str, Any] = {}
    for kind in ("usual", "few"):
        for n in (100, 300, 3000):
            for L in (1, 5, 14):
                for wanted in (
                    *AUROCS,
                    *(("one weak label",) if L > 1 and kind == "usual" else ()),
                ):
                    strength: Any = np.full(L, STRONG)
                    if isinstance(wanted, float):
                        strength = strength_for(kind, n, L, wanted)
                    else:
                        strength[L // 2] = strength_for("usual", n, 1, 0.55)
                    counts, areas = dict[str, int](), []
                    for seed in range(seeds if n < 3000 else max(20, seeds // 2)):
                        X, Y = scene(kind, n, L, strength, np.random.default_rng((2, seed)))
                        found = links(X, Y)
                        kinds = {f.kind for f in found.link_findings() if f.severity == "critical"}
                        verdict = "none" if found.alignment is None else found.alignment.verdict
                        for name in {*kinds, verdict} | ({"critical"} if kinds else set()):
                            counts[name] = counts.get(name, 0) + 1
                        areas.append(0.5 if found.alignment is None else found.alignment.mean_auroc)
                    row = {"mean_auroc": round(float(np.mean(areas)), 3), "seeds": len(areas)}
                    row["critical"] = round(counts.get("critical", 0) / len(areas), 3)
                    out[f"{kind}, n {n}, labels {L}, {wanted}"] = row | {"counts": counts}
                    print(kind, n, L, wanted, row, counts, flush=True)
    return out


def _swapped(Y: Array, rows: Any, random: np.random.Generator) -> Array:
    out = Y.copy()
    a, b = random.choice(np.arange(Y.shape[1] // 2, Y.shape[1]), 2, replace=False)
    out[rows, a], out[rows, b] = Y[rows, b], Y[rows, a]
    return out


def _part(Y: Array, split: Split, random: np.random.Generator) -> Array:
    out = Y.copy()
    out[split.test] = Y[random.permutation(split.test)]
    return out


def _column(Y: Array, random: np.random.Generator) -> Array:
    out = Y.copy()
    j = int(random.integers(Y.shape[1] // 2, Y.shape[1]))
    out[:, j] = random.permutation(out[:, j])
    return out


Plant = Callable[[Array, Split, np.random.Generator], Array]
FAULTS: dict[str, tuple[Plant, str]] = {
    "full shuffle": (lambda Y, split, random: Y[random.permutation(len(Y))], "do not describe"),
    "off by one": (lambda Y, split, random: np.roll(Y, 1, axis=0), "one row too late"),
    "37 rows late": (lambda Y, split, random: np.roll(Y, 37, axis=0), "37 rows too late"),
    "lexicographic": (
        lambda Y, split, random: Y[published_order([f"im{i + 1}.jpg" for i in range(len(Y))])],
        "lexicographic order",
    ),
    "reversed": (lambda Y, split, random: Y[::-1], "reverse order"),
    "a line lost": (
        lambda Y, split, random: np.vstack([np.delete(Y, len(Y) // 3, 0), Y[:1]]),
        "a line was lost",
    ),
    "test part shuffled": (lambda Y, split, random: _part(Y, split, random), "labels of test do"),
    "two columns swapped in a third": (
        lambda Y, split, random: _swapped(Y, slice(0, len(Y) // 3), random),
        "are swapped",
    ),
    "one column shuffled": (lambda Y, split, random: _column(Y, random), "some labels do not"),
}


def faults(seeds: int) -> dict[str, Any]:
    """Plant each fault in labels that are strongly linked, and count where it is named."""
    out: dict[str, Any] = {}
    for n in (300, 700, 1500, 3000):
        for fault, (plant, sentence) in FAULTS.items():
            named = critical = 0
            for seed in range(seeds):
                random = np.random.default_rng((3, seed))
                X, Y = scene("usual", n, 8, STRONG, random)
                _, split = dataset_of(Y)
                found = links(X, np.ascontiguousarray(plant(Y, split, random)), Y).link_findings()
                named += any(sentence in each.sentence for each in found)
                critical += any(each.severity == "critical" for each in found)
            row = {"named": round(named / seeds, 3), "critical": round(critical / seeds, 3)}
            out[f"n {n}, {fault}"] = row
            print(n, fault, row, flush=True)
    return out


def noise(seeds: int) -> dict[str, Any]:
    """Flip labels at random, and count bounds that hold."""
    out: dict[str, Any] = {}
    for n, share in ((600, 0.05), (600, 0.3), (2000, 0.01), (2000, 0.05), (2000, 0.3)):
        for strength in (1.0, 2.0, 4.0, 8.0):
            for rate in (0.0, 0.1, 0.3):
                held, told, bounds, truths = 0, 0, [], []
                for seed in range(seeds):
                    random = np.random.default_rng((4, seed))
                    true = np.arange(n)[:, None] < round(share * n)
                    direction = random.normal(size=(1, 16))
                    direction /= np.linalg.norm(direction)
                    X = random.normal(size=(n, 16)) + strength * true @ direction
                    wrong = random.random((n, 1)) < np.where(true, rate, rate * share)
                    given = (true ^ wrong).astype(np.uint8)
                    fold = random.permutation(np.arange(n) % 5)
                    P = out_of_fold_probabilities(X, given, fold, strengths=(0.1,))
                    most = mislabelled(P, given)[:, 1, 0]
                    if np.isnan(most).any():
                        continue
                    held += bool(most.sum() >= wrong.sum())
                    told += bool(label_noise(P, given, ["x"]))
                    bounds.append(min(most.sum() / n, 1.0))
                    truths.append(wrong.mean())
                row = {
                    "coverage": round(held / len(bounds), 3),
                    "shown": round(told / len(bounds), 3),
                    "true": round(float(np.mean(truths)), 4),
                    "at_most": round(float(np.median(bounds)), 4),
                }
                out[f"n {n}, positives {share:.0%}, strength {strength:g}, rate {rate:g}"] = row
                print(n, share, strength, rate, row, flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("criticals", "faults", "noise"))
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    measure = {"criticals": criticals, "faults": faults, "noise": noise}[options.what]
    with threadpool_limits(1, "blas"):
        found = measure(options.seeds)
    if options.out:
        made_by = f"python bench/audit_verdicts.py {options.what} --seeds {options.seeds}"
        document = {"made_by": made_by, "permutations": PERMUTATIONS, "found": found}
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
