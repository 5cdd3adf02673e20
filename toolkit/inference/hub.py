"""The layout of the Hugging Face Hub: files that imgutils' multi-label loader and people read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.inference.graphs.member import Entry
from toolkit.inference.transforms import imgutils_steps, processor_fields, timm_fields

_CATEGORY, _CATEGORY_NAME = 0, "label"


def hub_files(
    name: str,
    entry: Entry,
    thresholds: Mapping[str, float],
    positives: Sequence[int],
    overall: float,
    card: str,
) -> dict[str, str]:
    """Return contents by file name; nothing is uploaded.

    ``selected_tags.csv``, ``categories.json``, ``thresholds.csv`` and ``preprocess.json`` are what
    ``imgutils.generic.multilabel_timm`` reads. Label names stand there as they are.

    Args:
        name: the model's.
        entry: the graph's only input.
        thresholds: label to tuned threshold, in the labels' order.
        positives: of each label, among the development images.
        overall: the one threshold for all labels.
        card: the model card.
    """
    steps = imgutils_steps(entry.preprocess)
    tags = [
        (number, label, _CATEGORY, count, threshold)
        for number, ((label, threshold), count) in enumerate(
            zip(thresholds.items(), positives, strict=True)
        )
    ]
    config = {
        "architecture": entry.backbone.name,
        "problem_type": "multi_label_classification",
        "num_classes": len(thresholds),
        "id2label": {str(number): label for number, label in enumerate(thresholds)},
        "label2id": {label: number for number, label in enumerate(thresholds)},
        "pretrained_cfg": timm_fields(entry.preprocess),
    }
    return {
        "config.json": _json(config),
        "preprocessor_config.json": _json(processor_fields(entry.preprocess, entry.normalised)),
        "preprocess.json": _json({"test": steps, "val": steps}),
        "categories.json": _json([{"category": _CATEGORY, "name": _CATEGORY_NAME}]),
        "selected_tags.csv": _csv(["tag_id", "name", "category", "count", "best_threshold"], tags),
        "thresholds.csv": _csv(
            ["category", "name", "threshold"], [(_CATEGORY, _CATEGORY_NAME, overall)]
        ),
        "README.md": front_matter(name, entry) + card,
    }


def front_matter(name: str, entry: Entry) -> str:
    """Return the YAML that the Hub reads; every text in it is quoted as JSON is."""
    lines = {
        "pipeline_tag": "image-classification",
        "library_name": "onnx",
        "license": "other",
        "license_name": "see-the-card",
        "tags": ["multi-label-image-classification", "onnx", entry.backbone.name],
        "model_name": name,
    }
    body = "\n".join(f"{key}: {json.dumps(value)}" for key, value in lines.items())
    return f"---\n{body}\n---\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([head, *lines])
    return file.getvalue()
