"""The head of a cluster: lost only after a while, and then the run ends with one sentence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.distribute.cluster_fakes import double
from tests.distribute.fake_ray import FakeRay
from toolkit.distribute import head
from toolkit.distribute.head import Head
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.errors import ClusterError


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return the time by which heads are asked; a test turns it on."""
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(head, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_a_head_may_be_away_for_a_while(listening: socket.socket, clock: SimpleNamespace) -> None:
    port = listening.getsockname()[1]
    asked = Head(address(listening))
    clock.now += 3600.0
    assert asked.answers()
    listening.close()
    clock.now += 1.0
    assert asked.answers()  # it was not asked again so soon
    for _ in range(4):
        clock.now += 9.0
        assert not asked.answers()
    with socket.create_server(("127.0.0.1", port)):
        clock.now += 9.0
        assert asked.answers()
        assert asked.there()
    clock.now += 39.0
    assert not asked.answers()
    clock.now += 6.0
    with pytest.raises(ClusterError, match="has not answered for 40 seconds: start it again"):
        asked.answers()
    assert not asked.there()


def test_a_head_that_is_out_of_reach_from_the_start_is_not_asked(
    listening: socket.socket, clock: SimpleNamespace
) -> None:
    there = address(listening)
    listening.close()
    asked = Head(there)
    clock.now += 3600.0
    assert asked.answers()
    assert asked.there()


def test_a_run_ends_with_its_head(
    ray: FakeRay,
    listening: socket.socket,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []
    monkeypatch.setattr(ray, "kill", told.append)
    monkeypatch.setattr(ray, "cancel", lambda ref, force: told.append(ref))
    there = SimpleNamespace(gcs_address=address(listening))
    monkeypatch.setattr(ray, "get_runtime_context", lambda: there)
    pieces = [Piece(str(n), double, {"number": n}) for n in range(20)]
    ended = 0

    def run() -> None:
        nonlocal ended
        for _ in run_pieces(pieces, "ray"):
            ended += 1
            listening.close()
            clock.now += 20.0

    with pytest.raises(ClusterError, match=r"^the head of the cluster .* has not answered"):
        run()
    assert 1 <= ended < 20
    assert told == []  # to tell it anything would take until Ray ends this process
