"""All that a GPU must show, in one call of less than nine minutes, without a network.

    python bench/gpu.py [--device cuda] [--archive FILE] [--wheels DIR] [--weights DIR] --out DIR
    python bench/gpu.py --device cpu --images 200 --out DIR      walks every phase without a GPU

Phases, in order of worth, each in a process of its own with its own time (bench/gpu_phases.py):

    a  correctness   GPU against processor, resuming after a kill, memory running out, gpu tests
    b  embedding     images a second: from JPEGs, from the pixel store, bare, and a plain script
    c  the paper     its table rows, published and corrected, with seconds a row
    d  modern        Lite0, Lite1, Lite2 fine-tuned over five folds, stacked with frozen heads
    e  training      images a second: ours, two plain loops, and bare forward and backward passes

Each writes ``<phase>.json`` into DIR after every step; called again, what is done is left out. The
last lines are one table, kept as ``table.txt`` and written anew after every phase. Exit code 0: all
shown and every check held; 1: a check or a step failed; 3: time ran out before all was shown. DIR
holds seven files, none below another folder.

``bench/gpu_pack.py`` makes the archive, the wheels and the weights that must travel, and
``bench/gpu_rehearsal.py`` tries the whole without a GPU as such a machine would run it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench import gpu_setup  # noqa: E402
from bench.gpu_phases import (  # noqa: E402
    PATIENCE,
    Phase,
    Record,
    ended,
    run_phases,
    table,
    verdict,
    write_text,
)

# seconds of each, which its steps share; of all with the preparation less than nine minutes
PHASES = {
    "a-correctness": ("gpu_correct", 100),
    "b-embedding": ("gpu_rates", 135),
    "c-paper": ("gpu_paper", 80),
    "d-modern": ("gpu_modern", 115),
    "e-training": ("gpu_training", 60),
}
_WHOLE = 520.0


def main() -> int:
    options = parsed(sys.argv[1:])
    gpu_setup.use(options.work / "site")
    if options.phase:
        module = importlib.import_module(f"bench.{PHASES[options.phase][0]}")
        record = Record.of_process(options.out / f"{options.phase}.json")
        gpu_setup.imports()
        module.run(gpu_setup.Setting.of(options), record)
        return 0
    started = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOOLKIT_CACHE", str(options.work.resolve() / "cache"))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    for file in options.found.glob("[a-e]-*.json") if options.found else ():
        if not (options.out / file.name).exists():
            shutil.copyfile(file, options.out / file.name)
    setting = gpu_setup.Setting.of(options)
    scale = 1.0 if setting.device.startswith("cuda") else options.patience
    whole = options.seconds * scale
    setup = options.out / "0-setup.json"
    setup.unlink(missing_ok=True)  # what it made may be gone
    os.environ[PATIENCE] = str(scale)
    prepared = Record(setup, whole, patience=scale)
    gpu_setup.prepare(setting, options.wheels, prepared)
    prepared.end(ended(prepared))
    first = {"0-setup": prepared.facts}
    print(table(first))

    def tell(facts: dict[str, dict[str, Any]]) -> str:
        told = table(first | facts) + f"\nall together: {time.monotonic() - started:.0f} s\n"
        write_text(options.out / "table.txt", told)
        return told

    phases = [
        Phase(
            name,
            float(seconds or PHASES[name][1]) * scale,
            [sys.executable, __file__, *sys.argv[1:], "--phase", name],
        )
        for letter, _, seconds in (part.partition(":") for part in options.phases.split(","))
        for name in PHASES
        if name[0] == letter
    ]
    left = whole - (time.monotonic() - started)
    found = run_phases(phases, options.out, left, on_phase=tell)
    print(tell(found), end="")
    return verdict(first | found)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps or cpu")
    parser.add_argument("--images", type=int, default=0, help="how many; 0 for all")
    parser.add_argument("--archive", type=Path, help="tar of images/ and annotations/")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install what is missing")
    parser.add_argument("--weights", type=Path, help="folder of <backbone>.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is found")
    parser.add_argument("--found", type=Path, help="DIR of an earlier run, to go on from")
    parser.add_argument("--work", type=Path, default=Path("artifacts/gpu"))
    parser.add_argument(
        "--phases", default="a,b,c,d,e", help="in order, as in b:40,d for 40 s of b"
    )
    parser.add_argument("--seconds", type=float, default=_WHOLE, help="of all phases together")
    parser.add_argument("--patience", type=float, default=4.0, help="times that, without CUDA")
    parser.add_argument("--phase", choices=list(PHASES), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
