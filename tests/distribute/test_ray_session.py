"""Which cluster is joined, and what is said where none can be."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from toolkit.distribute import ray_session
from toolkit.distribute.ray_session import joined
from toolkit.errors import ClusterError


class Rayless:
    """What joining uses of Ray.

    Attributes:
        given: what each call of ``init`` was given.
        begun: the address that ``ray start`` left behind.
        error: what ``init`` raises.
    """

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []
        self.begun: str | None = None
        self.error: Exception | None = None
        self._private = SimpleNamespace(utils=SimpleNamespace(read_ray_address=lambda: self.begun))

    def is_initialized(self) -> bool:
        return False

    def init(self, **given: Any) -> None:
        self.given.append(given)
        if self.error is not None:
            raise self.error

    def shutdown(self) -> None:
        pass


@pytest.fixture
def rayless(monkeypatch: pytest.MonkeyPatch) -> Rayless:
    made = Rayless()
    monkeypatch.setattr(ray_session, "import_ray", lambda: made)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return made


def refused(on: str) -> str:
    with pytest.raises(ClusterError) as caught, joined(on):
        raise AssertionError
    return str(caught.value)


def test_a_cluster_that_ray_start_began_is_joined_and_no_other(rayless: Rayless) -> None:
    with joined("ray"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        rayless.begun = f"127.0.0.1:{server.getsockname()[1]}"
        with joined("ray"):
            pass
    # auto would be any cluster of this machine; Ray looks for that of ray start without an address
    assert [given.get("address") for given in rayless.given] == [None, None]


def test_one_that_ended_without_ray_stop_is_not_waited_for(rayless: Rayless) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        rayless.begun = f"127.0.0.1:{server.getsockname()[1]}"
    with joined("ray"):
        pass
    assert [given.get("address") for given in rayless.given] == ["local"]


def test_another_release_of_ray_may_keep_the_address_elsewhere(rayless: Rayless) -> None:
    del rayless._private.utils
    with joined("ray"):
        pass
    assert [given.get("address") for given in rayless.given] == [None]


def test_an_address_of_the_environment_is_named(
    rayless: Rayless, monkeypatch: pytest.MonkeyPatch
) -> None:
    rayless.error = ValueError("Invalid address format: nonsense")
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    assert refused("ray").startswith(
        "there is no Ray cluster at nonsense (RAY_ADDRESS) that can be joined (Invalid address"
    )


def test_where_somebody_listens_a_token_may_be_missing(rayless: Rayless) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        on = f"ray://127.0.0.1:{server.getsockname()[1]}"
        rayless.error = ConnectionError("ray client connection timeout")
        assert "RAY_AUTH_MODE=token" in refused(on)
    assert len(rayless.given) == 1
    said = refused(on)
    assert "refused" in said
    assert "RAY_AUTH_MODE" not in said
    assert len(rayless.given) == 1


def test_where_none_can_be_started_it_is_said(rayless: Rayless) -> None:
    rayless.error = RuntimeError("The current node timed out during startup.")
    assert refused("ray").startswith("Ray cannot be started on this machine, nor joined where")
