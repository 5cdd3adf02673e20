"""A cluster of two machines with one core each, for the tests that need Ray."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.distribute.fake_ray import FakeRay
from toolkit.distribute import machines as distribute_machines
from toolkit.distribute import ray_run, ray_session, worker

LONG = bool(os.environ.get("TOOLKIT_FAULTS_LONG"))
STORE = 200 << 20


class Machines:
    """Two machines of a cluster; more can be added and any but the first be lost."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1,
                "object_store_memory": STORE,
                "include_dashboard": False,
                "include_log_monitor": False,
                "no_monitor": True,
            },
        )
        self.add()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, **more: Any) -> Any:
        """Add a machine and wait for it."""
        node = self.cluster.add_node(
            num_cpus=1, object_store_memory=STORE, include_log_monitor=False, **more
        )
        self.cluster.wait_for_nodes()
        return node

    def lose(self, node: Any) -> None:
        """Lose a machine, without a word of farewell."""
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """Return what stands in for Ray, in this process."""
    made = FakeRay()
    monkeypatch.setattr(ray_session, "joined", made.joined)
    monkeypatch.setattr(ray_run, "joined", made.joined)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(worker, "use_threads", lambda count: None)
    monkeypatch.setattr(distribute_machines, "cores", lambda: 1)
    monkeypatch.setattr(ray_run, "_POLL", 0.0)
    return made


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    """Return the cluster; skip where Ray is missing, or where a minute is too long."""
    pytest.importorskip("ray", reason="needs the extra toolkit[ray]: uv sync --extra ray")
    if not LONG:
        pytest.skip("takes more than a minute: just faults, or TOOLKIT_FAULTS_LONG=1")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # a busy machine takes its time
    patience = {"raylet_start_wait_time_s": 240, "agent_register_timeout_ms": 240_000}
    os.environ |= {f"RAY_{name}": str(value) for name, value in patience.items()}
    made = Machines()
    yield made
    made.cluster.shutdown()


@pytest.fixture
def ray_on(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what ``on`` is for the cluster."""
    monkeypatch.setenv("RAY_ADDRESS", machines.address)
    return "ray"
