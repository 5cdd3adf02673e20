"""From a member to a folder with a graph: made, compared with the member, and only then written."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.split import Split
from toolkit.ensembles.thresholds import Thresholds
from toolkit.errors import ExportError
from toolkit.inference.bundle import CARD
from toolkit.inference.card import graph_section, model_card
from toolkit.inference.exported import (
    ONNX,
    SCRIPT,
    TRANSFORMS,
    Written,
    as_json,
    standing,
    write_exported,
)
from toolkit.inference.graph_scorer import GraphScorer
from toolkit.inference.graphs.graph import OPSET, half_weights
from toolkit.inference.graphs.member import MemberGraph
from toolkit.inference.hub import hub_files
from toolkit.inference.licences import weights_licence
from toolkit.inference.model import open_model
from toolkit.inference.parity import compare_scores, sample_of
from toolkit.inference.runtimes import Run, onnx_run, openvino_run
from toolkit.inference.scorers import in_artifacts, open_scorer
from toolkit.inference.transforms import described
from toolkit.members.member import Member
from toolkit.storage.files import digest_of

FORMATS = ("onnx", "openvino", "hf")
_LARGEST = (2 << 30) - (1 << 20)  # of one file of protocol buffers


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        member: the member or ensemble.
        dataset: that it was made on.
        split: of it.
        thresholds: tuned ones.
    """

    member: Member
    dataset: Dataset
    split: Split
    thresholds: Thresholds


def export_graph(
    source: Source, place: Path, *, format: str, precision: str, overwrite: bool = False
) -> Written:
    """Write a member as one graph, compared with the member first.

    Args:
        source: what is exported.
        place: the folder to write.
        format: one of ``FORMATS``.
        precision: of the weights, ``fp32`` or ``fp16``; all is computed in fp32.
        overwrite: replace an exported folder.

    Raises:
        UsageError: the folder is in the way, or onnx is not installed.
        ExportError: the member cannot be written so, or gives other probabilities then.
    """
    member, labels = source.member, source.dataset.labels
    artifacts = member.artifacts
    scorer = open_scorer(in_artifacts(artifacts), member.name, "fp32")
    version = importlib.metadata.version("toolkit")
    thresholds = dict(zip(labels, source.thresholds.per_label.tolist(), strict=True))
    inputs = digest_of(
        member.name, member.inputs, member.scored.digest, thresholds, format, precision, version
    )
    known = standing(place, inputs, overwrite)
    if known is not None:
        return known
    made = MemberGraph(scorer, artifacts, normalised=format == "hf")
    if format == "hf" and made.entries[0].preprocess.invert:
        raise ExportError(
            "format hf: its readers have no field for inverted colours: export with format onnx"
        )
    model = made.finish({})
    if precision == "fp16":
        half_weights(model)
    if model.ByteSize() > _LARGEST:
        raise ExportError(
            f"{member.name} takes {model.ByteSize() / 1e9:.1f} GB in one file, of which ONNX "
            "allows 2: export with format bundle, or fewer members or folds"
        )
    converted = as_openvino(model) if format == "openvino" else None
    run: Run = onnx_run(model.SerializeToString()) if converted is None else openvino_run(converted)
    parity = compare_scores(
        GraphScorer(labels, made.entries, run),
        scorer,
        sample_of(source.dataset, source.split),
        lambda paths: _predicted(member, paths),
        source.thresholds.per_label,
        artifacts,
        precision,
        trees=any(node.op_type.startswith("TreeEnsemble") for node in model.graph.node),
    )
    written = Written(
        format, member.name, labels, thresholds, tuple(made.entries), precision, inputs,
        parity.facts(),
    )  # fmt: skip
    taken = [store.key.backbone for store in scorer.stores]
    taken += [each.backbone for each in scorer.pictures]
    licences = {backbone.name: weights_licence(backbone) for backbone in taken}
    texts = metadata(written, licences)
    made_by = f"ONNX opset {OPSET}, made by {texts['producer']}"
    section = graph_section(parity, format, precision, licences, made_by)
    card = model_card(
        member, source.dataset, source.split, source.thresholds, scorer.stores, scorer.pictures,
        graph=section,
    )  # fmt: skip
    files: dict[str, str | bytes] = {}
    if converted is None:
        _put(model, texts)
        script = Path(__file__).with_name("standalone.py").read_text(encoding="utf-8")
        files |= {ONNX: model.SerializeToString(), SCRIPT: script}
    else:
        for key, value in texts.items():
            converted.set_rt_info(value, ["toolkit", key])
    if format == "hf":
        positives = (source.dataset.Y[source.split.development] == 1).sum(axis=0).tolist()
        files |= hub_files(
            member.name, made.entries[0], thresholds, positives, source.thresholds.overall, card
        )
    else:
        files |= {TRANSFORMS: as_json({"inputs": described(made.entries)}), CARD: card}
    write_exported(place, written, files, converted)
    return written


def metadata(written: Written, licences: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that a model's file carries; what is no plain text is JSON."""
    return {
        "name": written.model,
        "labels": json.dumps(written.labels, ensure_ascii=False),
        "thresholds": json.dumps(written.thresholds, ensure_ascii=False),
        "preprocess": json.dumps(described(written.entries)),
        "opset": str(OPSET),
        "producer": f"toolkit {importlib.metadata.version('toolkit')}",
        "weights": written.precision,
        "licence_of_weights": json.dumps(dict(licences)),
        "parity": json.dumps(written.parity),
    }


def _put(model: Any, texts: Mapping[str, str]) -> None:
    import onnx

    onnx.helper.set_model_props(model, dict(texts))


def as_openvino(model: Any) -> Any:
    """Return an ONNX model as OpenVINO reads it.

    Raises:
        ExportError: it has operators that OpenVINO has not.
    """
    from toolkit.features import engines  # noqa: F401  (before OpenVINO: no telemetry)

    import openvino as ov  # isort: skip

    try:
        return ov.Core().read_model(model.SerializeToString())
    except RuntimeError as error:
        trees = "TreeEnsemble" in str(error)
        raise ExportError(
            (
                "OpenVINO has no operator for trees, and the model holds LightGBM heads"
                if trees
                else f"OpenVINO cannot read the graph ({str(error).strip().splitlines()[-1][:120]})"
            )
            + ": export with format onnx"
        ) from error


def _predicted(member: Member, paths: list[str]) -> np.ndarray:
    opened = open_model(member, engine="auto", device="auto", artifacts=None)
    frame = opened.predict(paths)
    scores: np.ndarray = frame.drop(columns="image").to_numpy(np.float32)
    return scores
