"""Member: a folder with predictions, the fitted model, the resolved recipe and provenance."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import ArtifactError, UsageError, listed
from toolkit.members.predictions import Predictions, load_predictions, save_predictions
from toolkit.pages.tables import html_table
from toolkit.runtime.repository import commit_here
from toolkit.storage.files import (
    locked,
    natural_key,
    read_json,
    recover_folder,
    replace_folder,
    safe_name,
    temporary_beside,
    write_json,
)
from toolkit.storage.manifest import read_manifest, write_manifest
from toolkit.storage.toml import dump_toml, load_toml

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2
KINDS = ("head", "finetuned", "multitask", "ensemble")
NOT_SCORED = {"origin": "none", "images": 0, "labels_scored": 0, "metrics": {}, "per_label": {}}
_MANIFEST = "member.json"
_PACKAGES = ("numpy", "scikit-learn", "torch", "timm", "lightgbm", "openvino")


@dataclass(frozen=True, repr=False)
class Member:
    """A fitted model with its scores, as it stands on disk.

    Attributes:
        name: the folder's name.
        folder: the folder.
        kind: ``head``, ``finetuned``, ``multitask`` or ``ensemble``.
        source: what it was made from, for tables.
        inputs: digest of the recipe and all inputs; equal inputs need not be computed again.
        scored: its scores.
    """

    name: str
    folder: Path
    kind: str
    source: str
    inputs: str
    scored: Predictions

    def recipe(self) -> dict[str, Any]:
        """Return the resolved recipe that made it."""
        return load_toml(self.folder / "recipe.toml")

    def provenance(self) -> dict[str, Any]:
        """Return seed, versions, device, threads and seconds."""
        return self._json("provenance.json")

    def notes(self) -> dict[str, Any]:
        """Return the facts kept with the fitted model."""
        return self._json("model/notes.json")

    @cached_property
    def _development(self) -> dict[str, Any]:
        return self._json("development.json")

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metrics on development images that its models did not learn from; undefined is None."""
        return dict(self._development["metrics"])

    @property
    def per_label(self) -> pd.DataFrame:
        """Metrics of each label on the same images, one row per label."""
        import pandas as pd

        return pd.DataFrame.from_dict(self._development["per_label"], orient="index")

    @property
    def predictions(self) -> pd.DataFrame:
        """Its scores: ``image``, ``origin``, ``fold``, and one probability per label."""
        return self.scored.to_frame()

    @property
    def skipped(self) -> list[dict[str, str]]:
        """Images without scores, since they cannot be decoded: ``image`` and ``reason``."""
        return list(self.notes().get("skipped", []))

    def facts(self) -> dict[str, Any]:
        """Return what it scores, as JSON-able facts."""
        return {
            "name": self.name,
            "path": str(self.folder),
            "source": self.source,
            **self._development,
            "seconds": self.provenance()["seconds"],
        }

    def predict(self, images: Any, **options: Any) -> pd.DataFrame:
        """Return ``image`` and one probability per label for new images, in their order.

        Args:
            images: paths, folders, PIL images or uint8 arrays; see :func:`toolkit.predict`.
            options: of :func:`toolkit.predict`.
        """
        import toolkit

        found: pd.DataFrame = toolkit.predict(
            images, self, artifacts=self.artifacts, **options
        ).to_frame()
        return found

    def export(self, folder: str | os.PathLike[str], **options: Any) -> Any:
        """Write a folder that predicts without the artifacts; see :func:`toolkit.export`."""
        import toolkit

        return toolkit.export(self, folder, artifacts=self.artifacts, **options)

    @property
    def dataset(self) -> str:
        """Name of the data set that it was made on."""
        return str(self.provenance()["dataset"])

    @property
    def split(self) -> str:
        """Name of the split whose development images it was made on."""
        return str(self.recipe().get("split", "paper"))

    @property
    def artifacts(self) -> Path:
        """The artifacts folder that it lies in."""
        return self.folder.parent.parent

    def __repr__(self) -> str:
        """Return what matters in two lines."""
        found = self._development
        shown = ", ".join(
            f"{key} {value:.3f}" for key, value in self.metrics.items() if value is not None
        )
        return (
            f"Member {self.name!r}: {self.source}\n"
            f"{found['origin']} on {found['images']:,} development images: {shown or 'no scores'}"
        )

    def _repr_html_(self) -> str:
        found = self._development
        heads = ["label", "positives", "AP", "AUROC", "precision", "recall", "F1"]
        keys = ("support", "ap", "auroc", "precision", "recall", "f1")
        rows = [
            [label, *(each.get(key) for key in keys)] for label, each in found["per_label"].items()
        ]
        return html_table(heads, rows, repr(self).replace("\n", "; "))

    def _json(self, file: str) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.folder / file, f"{file} of member {self.name}")
        return found


def members_folder(artifacts: Path, kind: str = "head") -> Path:
    """Return the folder under which members of a kind lie."""
    return artifacts / ("ensembles" if kind == "ensemble" else "members")


def save_member(
    artifacts: Path,
    name: str,
    *,
    kind: str,
    source: str,
    inputs: str,
    predictions: Predictions,
    recipe: Mapping[str, Any],
    provenance: Mapping[str, Any],
    states: Mapping[str, Mapping[str, np.ndarray | str]],
    notes: Mapping[str, Any] | None = None,
    development: Mapping[str, Any] | None = None,
) -> Member:
    """Write a member whole, in the place of one of the same name.

    Args:
        artifacts: the artifacts folder.
        name: the member's name.
        kind: one of ``KINDS``.
        source: for tables.
        inputs: digest of recipe and inputs.
        predictions: its scores.
        recipe: the resolved recipe.
        provenance: see :func:`provenance`.
        states: the fitted models by name: arrays go to ``model/<name>.safetensors``, texts to
            ``model/<name>.<key>.txt``.
        notes: JSON-able facts that go to ``model/notes.json``.
        development: see :func:`toolkit.members.development.development_facts`; None where no
            development image was scored.
    """
    place = members_folder(artifacts, kind) / safe_name(name, "member name")
    place.parent.mkdir(parents=True, exist_ok=True)
    building = temporary_beside(place)
    (building / "model").mkdir(parents=True)
    try:
        save_predictions(predictions, building / "predictions.parquet")
        (building / "recipe.toml").write_text(dump_toml(recipe), encoding="utf-8")
        write_json(building / "provenance.json", dict(provenance))
        write_json(building / "model" / "notes.json", dict(notes or {}))
        write_json(building / "development.json", dict(development or NOT_SCORED))
        for state_name, state in states.items():
            save_state(state, building / "model", state_name)
        facts = {"format": FORMAT, "name": name, "kind": kind, "source": source, "inputs": inputs}
        write_manifest(building / _MANIFEST, facts)
        with _lock(place):
            recover_folder(place)
            replace_folder(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Member(name, place, kind, source, inputs, predictions)


def load_member(artifacts: Path, name: str) -> Member:
    """Read a member and check every one of its files against its digest.

    Raises:
        UsageError: there is none of this name; those there are are listed.
        ArtifactError: a file is missing or damaged.
    """
    safe_name(name, "member name")
    for kind in ("head", "ensemble"):
        place = members_folder(artifacts, kind) / name
        if not place.is_dir() and place.parent.is_dir():
            with _lock(place):
                recover_folder(place)
        if (place / _MANIFEST).is_file():
            break
    else:
        there = list_members(artifacts)
        known = f"there are: {listed(there, 12)}" if there else "none has been made yet"
        raise UsageError(f"no member named {name!r} ({known})")
    again = "make it again, with overwrite=True (--overwrite)"
    manifest = read_manifest(place / _MANIFEST, f"member {name}", again)
    if manifest["format"] != FORMAT:
        raise ArtifactError(_other_format(place, manifest))
    predictions = load_predictions(place / "predictions.parquet", f"member {name}")
    return Member(
        name, place, manifest["kind"], manifest["source"], manifest["inputs"], predictions
    )


def _other_format(place: Path, manifest: Mapping[str, Any]) -> str:
    command = load_toml(place / "recipe.toml").get("command", "ovr")
    return (
        f"member {place.name} was made by another version of the toolkit (expected format "
        f"{FORMAT}, found {manifest['format']}): make it again with 'toolkit {command} --name "
        f"{place.name} --overwrite' and the options in {place / 'recipe.toml'}"
    )


def list_members(artifacts: Path) -> list[str]:
    """Return the names of all members and ensembles, in natural order."""
    found = [
        path.parent.name
        for kind in ("head", "ensemble")
        for path in members_folder(artifacts, kind).glob(f"[!.]*/{_MANIFEST}")
    ]
    return sorted(set(found), key=natural_key)


def save_state(state: Mapping[str, np.ndarray | str], folder: Path, name: str) -> None:
    """Write a fitted model: arrays as safetensors, texts as text files."""
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: np.ascontiguousarray(v) for k, v in state.items() if isinstance(v, np.ndarray)}
    # written by Python, whose errors say why: safetensors' own do not
    (folder / f"{name}.safetensors").write_bytes(save(arrays))
    for key, value in state.items():
        if isinstance(value, str):
            (folder / f"{name}.{key}.txt").write_text(value, encoding="utf-8", newline="")


def load_state(folder: Path, name: str) -> dict[str, np.ndarray | str]:
    """Read what :func:`save_state` wrote.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / f"{name}.safetensors"
    try:
        state: dict[str, np.ndarray | str] = dict(load_file(path))
        for file in folder.glob(f"{name}.*.txt"):
            key = file.name.removeprefix(f"{name}.").removesuffix(".txt")
            state[key] = file.read_bytes().decode("utf-8")
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ArtifactError(f"the model in {path} cannot be read: make it again") from error
    return state


def provenance(seconds: float, **facts: Any) -> dict[str, Any]:
    """Return where and how something was made: versions, machine, commit, seconds, and facts."""
    versions, commit = {}, commit_here()
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # OpenVINO is not needed on a GPU
            versions[name] = importlib.metadata.version(name)
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "toolkit": importlib.metadata.version("toolkit"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "versions": versions,
        **({} if commit is None else {"repository": commit}),
        **facts,
    }


def _lock(place: Path) -> Any:
    return locked(place.parent / f".{place.name}.lock")
