"""CPU seconds and peak memory of each step against labels and rows, each in a process of its own.

    python -m bench.scale --out docs/results/scale.json
    python -m bench.scale --out docs/results/scale.json --redo "column swaps"

Planted features of 256 numbers, 1,280 where a step's name says so; one thread, so that seconds are
the processor's and not those of who else is on it. Labels grow at the fewest rows, rows at the
fewest labels. A cell is a forked process: it counts what the step takes, its input apart, by
``getrusage``; one that takes more than ``--budget`` CPU seconds or ``--memory`` GiB is ended and
noted as such, and one that would if it grew in line is not tried. What was measured is in ``--out``
after each cell; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# before libraries that count processors: a cell is one thread
for _name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402

WIDTH = 256
TREES = 5
LABELS, ROWS = (14, 80, 600, 5000), (5000, 20_000, 100_000, 1_000_000)
PROMISED = 9605
Call = Callable[[], Any]


@dataclass(frozen=True)
class Count:
    """How often a step did what it is measured by."""

    what: str
    number: int


def planted_labels(n: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 64 factors ``float32 (n, 64)`` and labels of 1 to 20 % that follow them."""
    random = np.random.default_rng(0)
    factors = random.standard_normal((n, 64), np.float32)
    Y = np.empty((n, labels), np.int8)
    for j, share in enumerate(np.geomspace(0.01, 0.2, labels)):
        z = factors @ random.standard_normal(64, np.float32) / 4 + random.logistic(size=n) / 2
        Y[:, j] = z > np.quantile(z, 1 - share)
    return factors, Y


def planted(n: int, labels: int, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Return features ``float32 (n, width)`` as after a ReLU, and labels."""
    factors, Y = planted_labels(n, labels)
    random = np.random.default_rng(1)
    X = random.standard_normal((n, width), np.float32)
    mixing = random.standard_normal((64, width), np.float32) / 8
    for start in range(0, n, 4096):
        rows = slice(start, start + 4096)
        X[rows] = np.maximum(0.6 * X[rows] + factors[rows] @ mixing, 0)
    return X, Y


def scores_of(Y: np.ndarray, seed: int = 2) -> np.ndarray:
    """Return probabilities ``float32 (n, L)`` that go with labels."""
    z = np.random.default_rng(seed).standard_normal(Y.shape, np.float32)
    z += 2 * (Y == 1) - 3.0
    return (1 / (1 + np.exp(-z))).astype(np.float32)


def truth(n: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores."""
    Y = planted_labels(n, labels)[1]
    return Y, scores_of(Y)


def folds_of(n: int) -> np.ndarray:
    """Return a fold for each row."""
    return np.arange(n) % 5


def members_of(n: int, labels: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of members ``float32 (n, members, L)``, and labels."""
    from toolkit.statistics.links import logits

    Y = planted_labels(n, labels)[1]
    return np.stack([logits(scores_of(Y, 2 + m)) for m in range(count)], axis=1), Y


def folds(n: int, labels: int) -> Call:
    """Draw five folds."""
    from toolkit.data.split import make_folds

    split, Y = split_of(n), planted_labels(n, labels)[1]
    return lambda: make_folds(split, Y)


def linear(n: int, labels: int, width: int = WIDTH) -> Call:
    """One strength, five folds."""
    from toolkit.heads.linear import LinearHead

    X, Y = planted(n, labels, width)
    return lambda: LinearHead(Cs=1e-3).fit_folds(X, Y, folds_of(n))


def mlp(n: int, labels: int, trunk: str, width: int = WIDTH) -> Call:
    """One epoch on all rows."""
    from toolkit.heads.mlp import MLPHead
    from toolkit.heads.optimizing import steps_per_epoch

    X, Y = planted(n, labels, width)

    def fit() -> Count:
        head = MLPHead(epochs=1, trunk=trunk).fit(X, Y)
        return Count("steps", steps_per_epoch(n, head.batch_size))

    return fit


def trees(n: int, labels: int, count: int) -> Call:
    """Bin once, and grow some trees a label."""
    from toolkit.heads.lightgbm import LightGBMHead

    X, Y = planted(n, labels)
    head = LightGBMHead(n_estimators=count, start="prior", n_jobs=1)
    return lambda: Count("trees", int(head.fit(X, Y).rounds_.sum()))


def binning(n: int, _: int) -> Call:
    """Bin features for LightGBM."""
    import lightgbm

    X, Y = planted(n, 1)
    how = {"max_bin": 63, "num_threads": 1, "verbosity": -1}
    return lambda: lightgbm.Dataset(X, label=Y[:, 0], params=how).construct()


def predict(n: int, labels: int) -> Call:
    """Score the rows by a linear head that is there."""
    from toolkit.heads.linear import LinearHead

    X, Y = planted(n, labels)
    head = LinearHead(Cs=1e-3, tol=0.1).fit(X[:2000], Y[:2000])
    return lambda: head.predict_proba(X)


def score(n: int, labels: int) -> Call:
    """All metrics."""
    from toolkit.statistics.metrics import score

    Y, S = truth(n, labels)
    return lambda: score(Y, S)


def bootstrap(n: int, labels: int) -> Call:
    """A hundred resamples of the rows."""
    from toolkit.statistics.intervals import bootstrap_metrics

    Y, S = truth(n, labels)
    return lambda: bootstrap_metrics(Y, S, resamples=100)


def thresholds(n: int, labels: int) -> Call:
    """Thresholds for F1, out of fold."""
    from toolkit.ensembles.thresholds import fit_thresholds

    Y, S = truth(n, labels)
    return lambda: fit_thresholds(Y, S, folds_of(n))


def calibration(n: int, labels: int) -> Call:
    """Choose and fit calibrations, nested."""
    from toolkit.ensembles.calibration import Calibration

    Y, S = truth(n, labels)
    return lambda: Calibration().cross_fit(S, Y, folds_of(n))


def stack(n: int, labels: int, cross_label: bool) -> Call:
    """Two members, the strength given."""
    from toolkit.ensembles.stack import Stack

    Z, Y = members_of(n, labels, 2)
    of = Stack(cross_label=cross_label, strengths=[0.1])
    return lambda: of.cross_fit(Z, Y, folds_of(n))


def greedy(n: int, labels: int) -> Call:
    """Greedy selection of three members."""
    from toolkit.ensembles.greedy import Greedy

    Z, Y = members_of(n, labels, 3)
    return lambda: Greedy().fit(Z, Y, folds_of(n))


def hashes(n: int, most: int) -> Call:
    """Pairs of near hashes of unrelated images."""
    from toolkit.images.near_hashes import near_hashes

    both = np.random.default_rng(0).integers(2**64, size=(2, n), dtype=np.uint64)
    return lambda: near_hashes(both[0], both[1], most)


def duplicates(n: int, _: int) -> Call:
    """Exact and near duplicates of unrelated images, a hundredth of them copied."""
    from toolkit.auditing.duplicates import find_duplicates
    from toolkit.images.hashes import ImageHashes

    X = planted(n, 1)[0]
    random = np.random.default_rng(0)
    digests = random.integers(256, size=(n, 16)).astype(np.uint8)
    both = random.integers(2**64, size=(2, n), dtype=np.uint64)
    copies = n // 100
    for each in (X, digests, both[0], both[1]):
        each[-copies:] = each[:copies]
    found = ImageHashes(both[0], both[1], np.zeros(n, bool), ("",) * n)
    return lambda: find_duplicates(digests, X, found)


def swaps(n: int, labels: int) -> Call:
    """Look for a run in which two columns are swapped."""
    from toolkit.auditing.column_blocks import contradicting_run

    Y, S = truth(n, labels)
    return lambda: contradicting_run(S, Y)


def aligned(n: int, labels: int) -> Call:
    """The alignment test with 99 permutations, on 64 features."""
    from toolkit.auditing.alignment import alignment
    from toolkit.auditing.linear_probe import LinearProbe

    factors, Y = planted_labels(n, labels)
    names = [str(j) for j in range(labels)]
    return lambda: alignment(LinearProbe(factors), Y, names, permutations=99)


def errors(n: int, labels: int) -> Call:
    """Rank likely label errors."""
    from toolkit.auditing.label_errors import suspicion

    Y, S = truth(n, labels)
    return lambda: suspicion(S, Y)


def ids_of(n: int) -> tuple[str, ...]:
    """Return ids in natural order."""
    return tuple(f"im{number}" for number in range(n))


def dataset_of(n: int, labels: int) -> Any:
    """Return a data set without files."""
    from toolkit.data.dataset import Dataset

    Y, ids = planted_labels(n, labels)[1], ids_of(n)
    return Dataset(
        name="planted",
        root=Path("/"),
        ids=ids,
        files=tuple(f"{image}.jpg" for image in ids),
        labels=tuple(f"label{j:05}" for j in range(labels)),
        Y=Y,
        digests=np.random.default_rng(0).integers(256, size=(n, 16)).astype(np.uint8),
        stats=np.zeros((n, 2), np.int64),
        shapes=np.ones((n, 2), np.int32),
        modes=("RGB",) * n,
    )


def split_of(n: int) -> Any:
    """Return a split with a tenth of the rows for testing."""
    from toolkit.data.split import Split

    part = np.zeros(n, np.int8)
    part[::10] = 2
    return Split("paper", ids_of(n), part)


def load(n: int, labels: int) -> Call:
    """Load a data set from disk."""
    from toolkit.data.dataset_store import load_dataset, save_dataset

    folder = Path.cwd()
    save_dataset(dataset_of(n, labels), folder)
    return lambda: load_dataset(folder, "planted")


def scored(n: int, labels: int, seed: int = 2) -> tuple[Any, Any, Any]:
    """Return a data set, its split, and a member's scores."""
    from toolkit.data.split import Folds
    from toolkit.members.predictions import Predictions

    dataset, split = dataset_of(n, labels), split_of(n)
    fold = np.where(split.part == 2, -1, folds_of(n)).astype(np.int16)
    drawn = Folds(split.ids, split.name, fold, 5, 0)
    found = Predictions(
        ids=dataset.ids,
        labels=dataset.labels,
        scores=scores_of(dataset.Y, seed),
        origin=np.where(fold < 0, 1, 0).astype(np.int8),
        fold=fold,
        folds_digest=drawn.digest,
        dataset_digest=dataset.digest,
    )
    return dataset, split, found


def join_ids(n: int, labels: int) -> Call:
    """Join scores to ids in another order."""
    from toolkit.members.predictions import HELD_OUT, OUT_OF_FOLD

    _, _, found = scored(n, labels)
    assert (OUT_OF_FOLD, HELD_OUT) == (0, 1)
    other = [found.ids[row] for row in np.random.default_rng(0).permutation(n).tolist()]
    return lambda: found.for_ids(other)


def kept(n: int, labels: int, read: bool) -> Call:
    """Write scores to disk, or read them."""
    from toolkit.members.predictions import load_predictions, save_predictions

    _, _, found = scored(n, labels)
    folder = Path.cwd()
    if read:
        save_predictions(found, folder / "scores.parquet")
        return lambda: load_predictions(folder / "scores.parquet", "it")
    return lambda: save_predictions(found, folder / "scores.parquet")


def compared(n: int, labels: int, page: bool) -> Call:
    """Compare one member on the test rows, a hundred resamples; or also draw the page."""
    from toolkit.members.member import provenance, save_member
    from toolkit.reports.comparison import compared_rows
    from toolkit.reports.page import report_page

    folder = Path.cwd()
    dataset, split, found = scored(n, labels)
    made = provenance(0.0, seed=0, dataset=dataset.name, dataset_digest=dataset.digest)
    member = save_member(
        folder,
        "planted",
        kind="head",
        source="planted",
        inputs="0",
        predictions=found,
        recipe={"command": "ovr", "split": "paper", "features": []},
        provenance=made,
        states={"none": {"none": np.zeros(1)}},
    )

    def run() -> None:
        rows = compared_rows(dataset, split, [member], paper=False, resamples=100)
        if page:
            report_page(dataset, split, [member], rows, folder, facts={})

    return run


STEPS: dict[str, Callable[[int, int], Call]] = {
    "folds": folds,
    "linear, one C, five folds": linear,
    "linear, 1,280 features": partial(linear, width=1280),
    "mlp, a layer a label, an epoch": partial(mlp, trunk="each"),
    "mlp, default, an epoch": partial(mlp, trunk="auto"),
    "mlp, default, 1,280 features, an epoch": partial(mlp, trunk="auto", width=1280),
    "lightgbm, binning": binning,
    "lightgbm, five trees a label": partial(trees, count=TREES),
    "predict, linear": predict,
    "score": score,
    "bootstrap, 100 resamples": bootstrap,
    "thresholds": thresholds,
    "calibration": calibration,
    "stack, two members": partial(stack, cross_label=False),
    "stack across labels": partial(stack, cross_label=True),
    "greedy, three members": greedy,
    "near hashes, 8 bits": lambda n, _: hashes(n, 8),
    "near hashes, 30 bits": lambda n, _: hashes(n, 30),
    "duplicates": duplicates,
    "column swaps": swaps,
    "alignment, 99 permutations": aligned,
    "label errors": errors,
    "data set, load": load,
    "scores, join by id": join_ids,
    "scores, write": partial(kept, read=False),
    "scores, read": partial(kept, read=True),
    "compare, one member": partial(compared, page=False),
    "report, one member": partial(compared, page=True),
}
ROWS_ONLY = ("lightgbm, binning", "near hashes, 8 bits", "near hashes, 30 bits", "duplicates")
TO_THE_END = ("linear, one C, five folds", "mlp, default, an epoch", "folds", "score", "thresholds")
# what does not grow in line with labels or rows, and where it says why
NOT_LINEAR = {
    "labels": {"column swaps": "any two labels may have been exchanged"},
    "rows": {
        "near hashes, 30 bits": "at this radius all pairs are compared",
        "duplicates": "where the calibrated radius is wide, all pairs of hashes are compared",
    },
}


def used(who: int = resource.RUSAGE_SELF) -> float:
    """Return CPU seconds so far."""
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def cell(step: str, n: int, labels: int, budget: int, memory: float) -> dict[str, Any]:
    """Run one step in a fork; return its seconds and peak memory, or why there are none."""
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
        return _cell(step, n, labels, budget, memory, folder)


def _cell(
    step: str, n: int, labels: int, budget: int, memory: float, folder: str
) -> dict[str, Any]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        code = 1
        try:
            os.chdir(folder)
            call = STEPS[step](n, labels)
            before = used()
            limit = int(before + budget) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            more = call()
            took: dict[str, Any] = {"cpu_seconds": round(used() - before, 3)}
            if isinstance(more, Count):
                took[more.what] = more.number
            os.write(writer, json.dumps(took).encode())
            code = 0
        except BaseException as error:  # whatever it is belongs to this cell alone
            print(f"{step} {n} {labels}: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    os.close(writer)
    found: dict[str, Any] = {"step": step, "rows": n, "labels": labels}
    too_large = False
    while True:
        gone, status, used_by = os.wait4(child, os.WNOHANG)
        if gone:
            break
        if resident(child) > memory and not too_large:
            too_large = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.05)
    with os.fdopen(reader) as answer:
        text = answer.read()
    found["peak_gib"] = round(used_by.ru_maxrss / (1 << 20), 2)
    if too_large:
        return found | {"over_memory_gib": memory}
    if os.WIFSIGNALED(status):
        return found | {"over_cpu_seconds": budget}
    return found | (json.loads(text) if text else {"failed": True})


def resident(pid: int) -> float:
    """Return the GiB a process holds; 0 once it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 30)


def sizes_of(step: str, rows: list[int], labels: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the cells of a step: rows grow at the fewest labels, labels at the fewest rows."""
    for n in rows:
        yield n, min(labels)
    if step not in ROWS_ONLY:
        for each in labels[1:] + [PROMISED] * (step in TO_THE_END and max(labels) >= 5000):
            yield min(rows), each


def least_expected(runs: list[dict[str, Any]], step: str, n: int, labels: int) -> float:
    """Return the CPU seconds of a cell if the step grows in line from its largest smaller one."""
    own = [r for r in runs if r["step"] == step and r["rows"] <= n and r["labels"] <= labels]
    if any("cpu_seconds" not in run for run in own):
        return np.inf  # fewer were too many
    expected = [
        run["cpu_seconds"] * (n / run["rows"]) * (labels / run["labels"])
        for run in own
        if run["cpu_seconds"] >= 1
    ]
    return min(expected, default=0.0)


def exponents(runs: list[dict[str, Any]], by: str, other: str) -> dict[str, dict[str, float]]:
    """Return each step's slope of log seconds over log size, at the least of the other size.

    ``all`` is fitted to all cells, ``last`` to the two largest, where what is fixed weighs least;
    cells of less than 0.02 s say nothing and are left out.
    """
    out = {}
    for step in dict.fromkeys(run["step"] for run in runs):
        own = [r for r in runs if r["step"] == step and r.get("cpu_seconds", 0) >= 0.02]
        least = min((run[other] for run in own), default=0)
        own = sorted((run for run in own if run[other] == least), key=lambda run: int(run[by]))
        if len(own) > 1:
            x, y = (np.log([run[key] for run in own]) for key in (by, "cpu_seconds"))
            out[step] = {
                "all": round(float(np.polyfit(x, y, 1)[0]), 2),
                "last": round(float((y[-1] - y[-2]) / (x[-1] - x[-2])), 2),
            }
    return out


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    marks = fields.get("flags", "").split()
    has = [mark for mark in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if mark in marks]
    family = f"family {fields.get('cpu family')}, model {fields.get('model')}"
    return f"{fields.get('model name')} ({family}; {', '.join(has)})"


def warm_up() -> None:
    """Import what cells need, so that a fork starts with it."""
    import lightgbm  # noqa: F401
    import torch

    import toolkit.heads.lightgbm
    import toolkit.heads.linear
    import toolkit.heads.mlp_training
    import toolkit.reports.page  # noqa: F401

    torch.set_num_threads(1)


def write(out: Path, found: dict[str, Any]) -> None:
    """Write the JSON whole, one line a cell."""
    lines = [json.dumps(run) for run in found["runs"]]
    head = {key: value for key, value in found.items() if key != "runs"}
    text = json.dumps(head, indent=1)[:-2] + ',\n "runs": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
    partial_file = out.with_suffix(".partial")
    partial_file.write_text(text, encoding="utf-8")
    partial_file.replace(out)


def main() -> None:
    """Measure cell after cell, and keep each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=int, nargs="+", default=list(LABELS))
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--redo", nargs="+", default=[], choices=list(STEPS), help="measure again")
    parser.add_argument("--budget", type=int, default=120, help="CPU seconds a cell")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB a cell")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found: dict[str, Any] = {"runs": []}
    if options.out.exists():
        found["runs"] = json.loads(options.out.read_text(encoding="utf-8"))["runs"]
        found["runs"] = [run for run in found["runs"] if run["step"] not in options.redo]
    there = {(run["step"], run["rows"], run["labels"]) for run in found["runs"]}
    head = {
        "width": WIDTH,
        "processor": processor(),
        "threads": 1,
        "shared": "others worked on the machine: seconds are those of the processor, not the wall",
        "budget": {"cpu_seconds": options.budget, "gib": options.memory},
        "not_linear": NOT_LINEAR,
    }
    warm_up()
    steps = [step for step in STEPS if step in {*options.steps, *options.redo}]
    cells = [(s, *size) for s in steps for size in sizes_of(s, options.rows, options.labels)]
    for step, n, labels in sorted(cells, key=lambda each: each[1] * each[2]):
        if (step, n, labels) in there:
            continue
        expected = least_expected(found["runs"], step, n, labels)
        if expected > options.budget:
            seconds = None if expected == np.inf else round(expected)
            found["runs"].append(
                {"step": step, "rows": n, "labels": labels, "not_tried_expected_seconds": seconds}
            )
        else:
            found["runs"].append(cell(step, n, labels, options.budget, options.memory))
            print(json.dumps(found["runs"][-1]), flush=True)
        runs = found["runs"]
        slopes = {
            "exponent_in_labels": exponents(runs, "labels", "rows"),
            "exponent_in_rows": exponents(runs, "rows", "labels"),
        }
        write(options.out, head | slopes | {"runs": runs})


if __name__ == "__main__":
    main()
