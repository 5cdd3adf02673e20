"""A research toolkit for multi-label image classification.

The verbs of the command line as functions, and what they return. Names are loaded on first use, so
that ``import toolkit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.data.collection import describe_data as describe_data
    from toolkit.data.collection import fetch_data as fetch_data
    from toolkit.data.collection import import_data as import_data
    from toolkit.data.collection import list_data as list_data
    from toolkit.data.collection import synth_data as synth_data
    from toolkit.data.dataset import Dataset as Dataset
    from toolkit.heads.lightgbm import LightGBMHead as LightGBMHead
    from toolkit.heads.linear import LinearHead as LinearHead
    from toolkit.heads.mlp import MLPHead as MLPHead
    from toolkit.heads.multitask import MultitaskHead as MultitaskHead
    from toolkit.members.cross_fit import cross_fit as cross_fit
    from toolkit.statistics.metrics import score as score

_PLACES = {
    "Dataset": "data.dataset",
    "LightGBMHead": "heads.lightgbm",
    "LinearHead": "heads.linear",
    "MLPHead": "heads.mlp",
    "MultitaskHead": "heads.multitask",
    "cross_fit": "members.cross_fit",
    "describe_data": "data.collection",
    "fetch_data": "data.collection",
    "import_data": "data.collection",
    "list_data": "data.collection",
    "score": "statistics.metrics",
    "synth_data": "data.collection",
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
