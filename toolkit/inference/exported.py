"""Exported graphs: a folder with an ONNX or OpenVINO model that other software runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import ArtifactError, UsageError
from toolkit.features.backbones import Backbone
from toolkit.images.preprocess import Preprocess
from toolkit.inference.graph_scorer import GraphScorer
from toolkit.inference.graphs.member import Entry
from toolkit.inference.runtimes import Run, onnx_run, openvino_run
from toolkit.storage.files import begin_folder, replace_folder
from toolkit.storage.manifest import read_manifest, write_manifest

FORMAT = 1
ONNX, OPENVINO = "model.onnx", "model.xml"
SCRIPT, TRANSFORMS, README = "predict.py", "preprocess.json", "README.md"
_MANIFEST = "export.json"


@dataclass(frozen=True)
class Written:
    """What an exported folder says of itself.

    Attributes:
        format: ``onnx``, ``openvino`` or ``hf``.
        model: the model's name.
        labels: L label names.
        thresholds: label to tuned threshold.
        entries: the graph's inputs.
        precision: of the weights.
        inputs: digest of what it was made from.
        parity: facts of :class:`~toolkit.inference.parity.Parity`.
    """

    format: str
    model: str
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    entries: tuple[Entry, ...]
    precision: str
    inputs: str
    parity: dict[str, Any]

    def facts(self) -> dict[str, Any]:
        """Return JSON-able facts from which :meth:`from_facts` rebuilds."""
        return {
            "toolkit_format": FORMAT,
            "format": self.format,
            "model": self.model,
            "labels": list(self.labels),
            "thresholds": self.thresholds,
            "precision": self.precision,
            "inputs": self.inputs,
            "parity": self.parity,
            "entries": [
                {
                    "name": each.name,
                    "preprocess": each.preprocess.facts(),
                    "normalised": each.normalised,
                    "backbone": each.backbone.facts(),
                }
                for each in self.entries
            ],
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Written:
        """Rebuild."""
        entries = (
            Entry(
                each["name"],
                Preprocess.from_facts(each["preprocess"]),
                each["normalised"],
                Backbone.from_facts(each["backbone"]),
            )
            for each in facts["entries"]
        )
        return cls(
            facts["format"],
            facts["model"],
            tuple(facts["labels"]),
            dict(facts["thresholds"]),
            tuple(entries),
            facts["precision"],
            facts["inputs"],
            dict(facts["parity"]),
        )


def is_exported(folder: Path) -> bool:
    """Tell whether a folder holds a graph that this toolkit exported."""
    return (folder / _MANIFEST).is_file()


def read_exported(folder: Path) -> Written:
    """Check every file of a folder; return what it says of itself.

    Raises:
        ArtifactError: a file is missing, damaged or of another format version.
    """
    again = "copy the folder again, or export again"
    facts = read_manifest(folder / _MANIFEST, f"the exported model {folder}", again)
    if facts["toolkit_format"] != FORMAT:
        raise ArtifactError(
            f"{folder} was exported by another version of the toolkit (expected format {FORMAT}, "
            f"found {facts['toolkit_format']}): export it again with 'toolkit export "
            f"{facts['model']} {folder} --format {facts['format']} --overwrite'"
        )
    return Written.from_facts(facts)


def open_exported(folder: Path) -> tuple[GraphScorer, Written]:
    """Open an exported folder to score with, in the runtime that its format is for.

    Raises:
        ArtifactError: a file is missing or damaged, or the model cannot be run.
        UsageError: the runtime is not installed.
    """
    written = read_exported(folder)
    run: Run
    if written.format == "openvino":
        run = openvino_run(folder / OPENVINO)
    else:
        run = onnx_run(folder / ONNX)
    return GraphScorer(written.labels, written.entries, run), written


def standing(place: Path, inputs: str, overwrite: bool) -> Written | None:
    """Return what a folder holds if that was made from the same inputs, None if it may be written.

    Raises:
        UsageError: it is in the way.
    """
    if not place.exists():
        return None
    if not is_exported(place):
        raise UsageError(f"{place} is there already: choose another folder")
    if overwrite:
        return None
    try:
        found = read_exported(place)
    except ArtifactError:
        found = None
    if found is None or found.inputs != inputs:
        raise UsageError(f"{place} is there already: replace it with overwrite")
    return found


def write_exported(
    place: Path, written: Written, files: Mapping[str, str | bytes], model: Any = None
) -> None:
    """Write a folder whole.

    Args:
        place: the folder.
        written: what it says of itself.
        files: contents by name.
        model: of OpenVINO, to be saved beside them.
    """
    place = place.absolute()
    building = begin_folder(place)
    try:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (building / name).write_bytes(data)
        if model is not None:
            import openvino as ov

            ov.save_model(model, building / OPENVINO, compress_to_fp16=False)
        write_manifest(building / _MANIFEST, written.facts())
        replace_folder(building, place)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def as_json(value: Any) -> str:
    """Return JSON for people, keys in their given order."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
