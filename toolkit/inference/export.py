"""The verb export: a model in a folder that predicts without the artifacts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.ensembles.thresholds import tuned_thresholds
from toolkit.errors import UsageError, check_choice, counted
from toolkit.inference.bundle import export_bundle
from toolkit.inference.card import model_card
from toolkit.inference.model import made_on, member_of
from toolkit.inference.parity import LIMITS
from toolkit.inference.scorers import in_artifacts, open_scorer
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked

FORMATS = ("bundle", "onnx", "openvino", "hf")


@dataclass(frozen=True, repr=False)
class Exported:
    """A folder with a model.

    Attributes:
        name: the model's name.
        path: the folder.
        members: names of the members in it.
        bytes: its size.
        format: ``bundle``, ``onnx``, ``openvino`` or ``hf``.
        precision: of a graph's weights, ``fp32`` or ``fp16``.
        parity: of a graph, the facts of :class:`~toolkit.inference.parity.Parity`: how far its
            probabilities lie from the member's. None for a bundle, whose are the same.
    """

    name: str
    path: Path
    members: tuple[str, ...]
    bytes: int
    format: str = "bundle"
    precision: str = "fp32"
    parity: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit export --json``."""
        return {
            "name": self.name,
            "path": str(self.path),
            "members": list(self.members),
            "bytes": self.bytes,
            "format": self.format,
            "precision": self.precision,
            "parity": self.parity,
        }

    def __repr__(self) -> str:
        """Return what matters in a line."""
        models = counted(len(self.members), "model")
        told = "" if self.format == "bundle" else f" as {self.format} in {self.precision}"
        if self.parity is not None:
            told += (
                f", probabilities within {self.parity['difference']:.1e} on "
                f"{self.parity['images']} {self.parity['drawn_from']}"
            )
        return f"{self.name} with {models}{told}, {self.bytes / 1e6:.1f} MB ({self.path})"


@checked
def export(
    name: str | Member,
    folder: str | os.PathLike[str],
    *,
    format: str = "bundle",
    precision: str = "fp32",
    overwrite: bool = False,
    artifacts: str | os.PathLike[str] | None = None,
) -> Exported:
    """Write a folder that predicts on another machine without the artifacts, with a model card.

    A ``bundle`` is read by this toolkit. The others hold one graph from pixels to calibrated
    probabilities, which is compared with the member on 64 images before it is written:
    ``onnx`` for ONNX Runtime, with a script that needs no more than that, numpy and Pillow;
    ``openvino``; and ``hf``, the same as ``onnx`` in the layout of the Hugging Face Hub.

    Args:
        name: of a member or an ensemble, or one in hand.
        folder: to write; it must not exist, unless this toolkit exported it: where it holds the
            same already, whole, nothing is written.
        format: ``bundle``, ``onnx``, ``openvino`` or ``hf``.
        precision: that a graph's weights are kept in, ``fp32`` or ``fp16``; it computes in fp32.
        overwrite: replace an exported folder that holds something else.
        artifacts: where everything is kept.

    Raises:
        UsageError: there is no member of this name, an option is not among its choices, the folder
            is in the way, or ``toolkit[onnx]`` is not installed.
        MemberError: the member was made on another data set, or has no scores to tune thresholds.
        ExportError: the member cannot be written in the format, or would give probabilities
            elsewhere that lie further from its own than 0.001 (fp16: 0.01).
    """
    check_choice("format", format, FORMATS)
    check_choice("precision", precision, tuple(LIMITS))
    if format == "bundle" and precision != "fp32":
        raise UsageError(
            f"precision: expected fp32 for format bundle, whose weights stay as they are, found "
            f"{precision}"
        )
    member, place = member_of(name, artifacts), Path(folder)
    find = in_artifacts(member.artifacts)
    scorer = open_scorer(find, member.name)  # what cannot predict here cannot predict elsewhere
    dataset, split = made_on(member)
    tuned = tuned_thresholds(member, dataset, split)
    parity = None
    if format == "bundle":
        members = export_bundle(
            find,
            member.name,
            place,
            thresholds=dict(zip(dataset.labels, tuned.per_label.tolist(), strict=True)),
            card=model_card(member, dataset, split, tuned, scorer.stores, scorer.pictures),
            overwrite=overwrite,
        )
    else:
        from toolkit.inference.export_graph import Source, export_graph

        source = Source(member, dataset, split, tuned)
        parity = export_graph(
            source, place, format=format, precision=precision, overwrite=overwrite
        ).parity
        members = [member.name, *member.notes().get("members", [])]
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return Exported(member.name, place, tuple(members), size, format, precision, parity)
