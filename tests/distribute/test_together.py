"""Where several processes can work together, and with how much each."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

import toolkit as tk
from toolkit.distribute import machines
from toolkit.distribute.machines import together_size
from toolkit.distribute.together import check_together
from toolkit.errors import ClusterError, UsageError


@pytest.mark.parametrize(
    ("has", "workers", "device", "each"),
    [
        ([(8, 0)], 2, "cpu", (4, 0)),
        ([(8, 0), (8, 0)], 2, "cpu", (8, 0)),
        ([(8, 0), (8, 0)], 3, "cpu", (4, 0)),
        ([(64, 0), (64, 0)], 2, "cpu", (12, 0)),  # no more than it would take here
        ([(0, 0), (5, 0)], 5, "cpu", (1, 0)),
        ([(32, 4), (16, 4)], 8, "cuda", (4, 1)),
        ([(8, 0), (64, 2)], 2, "cuda", (16, 1)),
    ],
)
def test_each_gets_as_much_as_leaves_room_for_all(
    has: list[tuple[int, int]],
    workers: int,
    device: str,
    each: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machines, "_machines", lambda on: has)
    monkeypatch.setenv("OMP_NUM_THREADS", "12")
    assert together_size(workers, device, "ray") == each


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cpu", "^9 workers need 9 cores at once, one each, and the cluster has 8: ask for fewer"),
        ("cuda", "^9 workers need 9 graphics cards at once, one each, and the cluster has 2: ask"),
    ],
)
def test_more_than_the_cluster_offers_is_one_sentence(
    device: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "_machines", lambda on: [(4, 2), (4, 0)])
    with pytest.raises(ClusterError, match=said):
        together_size(9, device, "ray")


def test_without_a_cluster_there_is_one_process(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^workers: expected 1 with on=here, found 2: "):
        tk.finetune(workers=2, artifacts=tmp_path)
    with pytest.raises(UsageError, match=r"^workers: expected a whole number from 1, found 0"):
        tk.finetune(workers=0, artifacts=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["ray.train", "pydantic"])
def test_without_ray_train_it_is_one_sentence(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> Any:
        if name == missing:
            raise ModuleNotFoundError(name)  # as of a module in a package that is not there
        return sys

    monkeypatch.setattr(importlib.util, "find_spec", found)
    with pytest.raises(UsageError, match=rf"^workers: 2 need Ray Train, of which {missing} is not"):
        check_together(2, "ray")
    check_together(1, "ray")


def test_compiled_networks_are_for_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: sys)
    with pytest.raises(UsageError, match=r"^compile is for one process"):
        tk.finetune(workers=2, on="ray", set={"compile": True}, artifacts=tmp_path)
