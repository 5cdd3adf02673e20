"""A research toolkit for multi-label image classification.

The verbs of the command line as functions, and what they return. Names are loaded on first use, so
that ``import toolkit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.auditing.audit import Audit as Audit
    from toolkit.auditing.audit import audit as audit
    from toolkit.auditing.suggest import Suggestions as Suggestions
    from toolkit.auditing.suggest import suggest as suggest
    from toolkit.data.cluster import Cluster as Cluster
    from toolkit.data.cluster import describe_cluster as describe_cluster
    from toolkit.data.collection import describe_data as describe_data
    from toolkit.data.collection import fetch_data as fetch_data
    from toolkit.data.collection import import_data as import_data
    from toolkit.data.collection import list_data as list_data
    from toolkit.data.collection import synth_data as synth_data
    from toolkit.data.dataset import Dataset as Dataset
    from toolkit.data.labels_out import LabelsOut as LabelsOut
    from toolkit.data.labels_out import export_data as export_data
    from toolkit.data.preview import Preview as Preview
    from toolkit.data.preview import preview_data as preview_data
    from toolkit.ensembles.ensemble import ensemble as ensemble
    from toolkit.ensembles.ensemble import ensemble_facts as ensemble_facts
    from toolkit.features.embed import Embeddings as Embeddings
    from toolkit.features.embed import embed as embed
    from toolkit.features.image_embedder import ImageEmbedder as ImageEmbedder
    from toolkit.features.inventory import list_cache as list_cache
    from toolkit.features.inventory import prune_cache as prune_cache
    from toolkit.features.inventory import verify_cache as verify_cache
    from toolkit.heads.lightgbm import LightGBMHead as LightGBMHead
    from toolkit.heads.linear import LinearHead as LinearHead
    from toolkit.heads.mlp import MLPHead as MLPHead
    from toolkit.heads.multitask import MultitaskHead as MultitaskHead
    from toolkit.inference.export import Exported as Exported
    from toolkit.inference.export import export as export
    from toolkit.inference.model import Model as Model
    from toolkit.inference.model import Scored as Scored
    from toolkit.inference.model import load_model as load_model
    from toolkit.inference.predict import predict as predict
    from toolkit.members.collection import list_members as list_members
    from toolkit.members.collection import load_member as load_member
    from toolkit.members.cross_fit import cross_fit as cross_fit
    from toolkit.members.finetuned import finetune as finetune
    from toolkit.members.frozen import ovr as ovr
    from toolkit.members.member import Member as Member
    from toolkit.members.multitask import Ablation as Ablation
    from toolkit.members.multitask import ablate_tasks as ablate_tasks
    from toolkit.members.multitask import multitask as multitask
    from toolkit.members.relabel import Relabelled as Relabelled
    from toolkit.members.relabel import relabel_data as relabel_data
    from toolkit.reports.compare import Comparison as Comparison
    from toolkit.reports.compare import compare as compare
    from toolkit.reports.report import Report as Report
    from toolkit.reports.report import report as report
    from toolkit.reports.track import Tracked as Tracked
    from toolkit.reports.track import track as track
    from toolkit.reproduction.reproduce import reproduce as reproduce
    from toolkit.statistics.metrics import score as score

_PLACES = {
    "Ablation": "members.multitask",
    "Audit": "auditing.audit",
    "Cluster": "data.cluster",
    "Comparison": "reports.compare",
    "Dataset": "data.dataset",
    "Embeddings": "features.embed",
    "Exported": "inference.export",
    "ImageEmbedder": "features.image_embedder",
    "LabelsOut": "data.labels_out",
    "LightGBMHead": "heads.lightgbm",
    "LinearHead": "heads.linear",
    "MLPHead": "heads.mlp",
    "Member": "members.member",
    "Model": "inference.model",
    "MultitaskHead": "heads.multitask",
    "Preview": "data.preview",
    "Relabelled": "members.relabel",
    "Report": "reports.report",
    "Scored": "inference.model",
    "Suggestions": "auditing.suggest",
    "Tracked": "reports.track",
    "ablate_tasks": "members.multitask",
    "audit": "auditing.audit",
    "compare": "reports.compare",
    "cross_fit": "members.cross_fit",
    "describe_cluster": "data.cluster",
    "describe_data": "data.collection",
    "embed": "features.embed",
    "ensemble": "ensembles.ensemble",
    "ensemble_facts": "ensembles.ensemble",
    "export": "inference.export",
    "export_data": "data.labels_out",
    "fetch_data": "data.collection",
    "finetune": "members.finetuned",
    "import_data": "data.collection",
    "list_cache": "features.inventory",
    "list_data": "data.collection",
    "list_members": "members.collection",
    "load_member": "members.collection",
    "load_model": "inference.model",
    "multitask": "members.multitask",
    "ovr": "members.frozen",
    "predict": "inference.predict",
    "preview_data": "data.preview",
    "prune_cache": "features.inventory",
    "relabel_data": "members.relabel",
    "report": "reports.report",
    "reproduce": "reproduction.reproduce",
    "score": "statistics.metrics",
    "suggest": "auditing.suggest",
    "synth_data": "data.collection",
    "track": "reports.track",
    "verify_cache": "features.inventory",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
