"""The prepared GPU run as a bare machine would run it: a copy of the tree, and no network.

    python bench/gpu_rehearsal.py [--pack artifacts/pack] [--images 200] [--python 3.12]

The tree's files (tracked, or new and not ignored) and the pack are copied into a folder, refused
where they are more than the limit; an environment holds what a machine for training networks is apt
to have (``THERE``) and neither this project nor what only this machine has; the command runs there
without a network (where Linux lets a process have none of its own), with an empty home. It is the
command of a GPU machine but for ``--device cpu --images N``:

    python3 bench/gpu.py --archive artifacts/pack/photographs.tar.xz --wheels artifacts/pack/wheels
        --weights artifacts/pack/weights --out "$OUT"

Making the environment needs a network once; it is kept. Exit code and table are the run's, and what
it has left in its folder is listed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.gpu_pack import size_of, tracked, travelling  # noqa: E402

# of older torch than the project is developed with, as such a machine has it
THERE = (
    *("torch==2.11.0", "torchvision==0.26.0", "numpy==2.5.2", "timm", "pandas", "pyarrow"),
    *("pillow", "scikit-learn", "scipy", "safetensors", "rich", "typer", "filelock", "jinja2"),
    *("joblib", "markupsafe", "matplotlib", "requests", "threadpoolctl", "tqdm", "tensorboard"),
    *("pytest", "pytest-xdist", "hypothesis", "transformers==5.17.0", "pip"),
)
_MIB = 1 << 20
_MOST = 64 * _MIB
_FILES = 8


def main() -> int:
    options = parsed(sys.argv[1:])
    python = environment(options.into / "there", options.python)
    tree, out, home = (options.into / name for name in ("tree", "out", "home"))
    for folder in (tree, out, home):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    size = copied(tree, options.pack)
    print(f"{size / _MIB:.1f} MiB travel")
    if size > _MOST:
        print(f"that is more than {_MOST / _MIB:.0f} MiB")
        return 1
    pack = "artifacts/pack"
    command = [
        *(*apart(), str(python), "bench/gpu.py", "--archive", f"{pack}/photographs.tar.xz"),
        *("--wheels", f"{pack}/wheels", "--weights", f"{pack}/weights", "--out", str(out)),
        *("--device", "cpu", "--images", str(options.images), *options.more),
    ]
    env = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(home), "PYTHONUNBUFFERED": "1"}
    started = time.monotonic()
    code = subprocess.run(command, cwd=tree, env=env, stdin=subprocess.DEVNULL).returncode
    left = sorted(file for file in out.rglob("*") if file.is_file())
    print(f"exit code {code} after {time.monotonic() - started:.0f} s; {len(left)} files:")
    for file in left:
        print(f"  {file.relative_to(out)!s:24}{file.stat().st_size:>9,} bytes")
    return code if len(left) <= _FILES else 1


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, default=Path("artifacts/pack"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--into", type=Path, default=Path("artifacts/rehearsal"))
    parser.add_argument("--python", default="3.12", help="of the machine, or its path")
    parser.add_argument("more", nargs="*", help="after --: further options of bench/gpu.py")
    options = parser.parse_args(arguments)
    options.into = options.into.resolve()
    return options


def environment(folder: Path, python: str) -> Path:
    """Return the interpreter of a new environment, or of one that was made before."""
    made = folder / "bin" / "python3"
    if not (folder / "made").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["uv", "venv", "-q", "--python", python, str(folder)], check=True)
        install = ["uv", "pip", "install", "-q", "--no-config", "--python", str(made), *THERE]
        subprocess.run(install, check=True)
        (folder / "made").touch()
    return made


def copied(tree: Path, pack: Path) -> int:
    """Copy what travels; return its bytes, as a tar has them."""
    if not size_of(pack):
        raise SystemExit(f"{pack} is empty: make it with bench/gpu_pack.py")
    pairs = [(file, tree / file.relative_to(ROOT)) for file in tracked()]
    packed = [file for file in pack.rglob("*") if file.is_file()]
    pairs += [(file, tree / "artifacts" / "pack" / file.relative_to(pack)) for file in packed]
    for file, there in pairs:
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, there)
    return travelling(there for _, there in pairs)


def apart() -> list[str]:
    """Return what lets a command run without a network, nothing where this machine cannot."""
    command = ["unshare", "--net", "--map-root-user"] if os.getuid() else ["unshare", "--net"]
    able = (
        shutil.which("unshare")
        and not subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode
    )
    if not able:
        print("this machine does not let a process run without a network: it has one")
    return command if able else []


if __name__ == "__main__":
    sys.exit(main())
