"""Reproduction: only the paper's own network and settings stand for a row without a mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit.finetuning.protocols import settings_for
from toolkit.members.member import Member, save_member
from toolkit.members.predictions import HELD_OUT, Predictions
from toolkit.reproduction.rows import Reproduced, reproduced

ROW = "table3/2"
RECIPE: dict[str, Any] = {
    "row": ROW,
    "backbone": "densenet121",
    "weights": "default",
    "crop": "full",
}


class Images:
    """All that is asked of a data set."""

    digest = "images"


def member(folder: Path, name: str, accuracy: float, changed: dict[str, Any]) -> Member:
    recipe = RECIPE | {"split": "paper", "folds": 0} | changed
    settings = settings_for("published", ROW).facts()
    settings |= {key: recipe.pop(key) for key in ("epochs", "invert") if key in recipe}
    predictions = Predictions(
        ids=("1",),
        labels=("a",),
        scores=np.full((1, 1), 0.5, np.float32),
        origin=np.full(1, HELD_OUT, np.int8),
        fold=np.full(1, -1, np.int16),
        folds_digest="",
        dataset_digest=Images.digest,
        recipe={},
    )
    measured = {"accuracy": accuracy, "macro_precision": 0.0, "macro_recall": 0.0, "map": 0.1}
    return save_member(
        folder,
        name,
        kind="finetuned",
        source=recipe["backbone"],
        inputs=name,
        predictions=predictions,
        recipe=recipe,
        provenance={},
        states={},
        notes={"protocol": "published", "measured": {ROW: measured}, "settings": settings},
    )


def row(*members: Member) -> Reproduced:
    dataset: Any = Images()
    return {each.result.key: each for each in reproduced(dataset, members)}[ROW]


def test_the_row_s_own_run_stands_for_it_whatever_else_there_is(tmp_path: Path) -> None:
    own = member(tmp_path, "m", 0.9, {})
    other = member(tmp_path, "a", 0.5, {"backbone": "efficientnet_lite0"})
    for order in ((own, other), (other, own)):
        found = row(*order)
        assert found.published is not None
        assert (found.published["accuracy"], found.exact) == (0.9, ("published",))
        assert found.made_from == {"published": "densenet121"}
    assert row(own).corrected is None


@pytest.mark.parametrize(
    "changed",
    [
        {"backbone": "efficientnet_lite0"},
        {"weights": "none"},
        {"epochs": 1},
        {"invert": False},
        {"split": "stratified"},
        {"crop": "center"},
        {"folds": 5},
        {"size": 64},
        {"aux": ["any"]},
    ],
)
def test_anything_else_is_a_stand_in(tmp_path: Path, changed: dict[str, Any]) -> None:
    found = row(member(tmp_path, "m", 0.5, changed))
    assert found.published is not None
    assert found.exact == ()
