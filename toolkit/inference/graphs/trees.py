"""Trees as operators: LightGBM's boosters as one TreeEnsembleRegressor of ONNX-ML.

Written out here, not by a converter: the features are float32 and LightGBM's thresholds float64, so
that a threshold rounded to the nearest float32 sends a feature that lies on it the wrong way. Each
is rounded down, after which ``x <= t`` is the same for every float32 x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import ExportError
from toolkit.inference.graphs.graph import TREES, Graph

if TYPE_CHECKING:
    import lightgbm


def add_trees(graph: Graph, x: str, boosters: Sequence[lightgbm.Booster | None]) -> str:
    """Add the sums of a booster's trees for each label, ``(b, L)``.

    Args:
        graph: to add to.
        x: name of ``float (b, d)``.
        boosters: one a label; None for one without trees.

    Raises:
        ExportError: a tree splits by something else than ``<=``.
    """
    table: dict[str, list[Any]] = {f"nodes_{name}": [] for name in _NODES}
    table |= {f"target_{name}": [] for name in _LEAVES}
    count = 0
    for label, booster in enumerate(boosters):
        for tree in [] if booster is None else booster.dump_model()["tree_info"]:
            _add_tree(table, count, label, tree["tree_structure"])
            count += 1
    if not count:  # an operator without trees is none
        _add_tree(table, 0, 0, {"leaf_value": 0.0})
    return graph.op(
        "TreeEnsembleRegressor",
        x,
        domain=TREES,
        n_targets=len(boosters),
        aggregate_function="SUM",
        post_transform="NONE",
        **table,
    )


def rounded_down(threshold: float) -> float:
    """Return the greatest float32 that is not above a float64.

    >>> rounded_down(0.1) <= 0.1 < float(np.nextafter(np.float32(rounded_down(0.1)), np.float32(1)))
    True
    """
    near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))


_NODES = (
    "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
    "missing_value_tracks_true",
)  # fmt: skip
_LEAVES = ("treeids", "nodeids", "ids", "weights")


def _add_tree(table: dict[str, list[Any]], tree: int, label: int, root: dict[str, Any]) -> None:
    waiting, taken = [(0, root)], 1
    while waiting:
        number, node = waiting.pop()
        if "leaf_value" in node:
            row: tuple[Any, ...] = (tree, number, 0, 0.0, "LEAF", 0, 0, 0)
            leaf = zip(_LEAVES, (tree, number, label, float(node["leaf_value"])), strict=True)
            for name, value in leaf:
                table[f"target_{name}"].append(value)
        else:
            if node["decision_type"] != "<=":
                raise ExportError(
                    f"a tree that splits by {node['decision_type']!r} cannot be written as "
                    "operators of a graph: export with format bundle"
                )
            at = rounded_down(float(node["threshold"]))
            children = (taken, taken + 1)
            waiting += zip(children, (node["left_child"], node["right_child"]), strict=True)
            taken += 2
            missing = int(bool(node["default_left"]))
            row = (tree, number, int(node["split_feature"]), at, "BRANCH_LEQ", *children, missing)
        for name, value in zip(_NODES, row, strict=True):
            table[f"nodes_{name}"].append(value)
