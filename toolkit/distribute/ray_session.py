"""A Ray cluster that is joined for the time of a run, or started for it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.distribute.place import RAY, import_ray
from toolkit.errors import ClusterError

# what decides where weights and converted networks are looked for, and how numbers come out
_PASSED_ON = ("TORCH_HOME", "HF_HOME", "HF_HUB_OFFLINE", "ONEDNN_MAX_CPU_ISA")
_CACHE = "TOOLKIT_CACHE"
_PATIENCE = 10.0


@contextmanager
def joined(on: str) -> Iterator[Any]:
    """Yield the module ``ray``, connected; one that the caller has connected stays so.

    Args:
        on: ``ray`` or ``ray://host:port``; ``ray`` joins the cluster that ``RAY_ADDRESS`` names,
            else the one that ``ray start`` began on this machine, else starts one here.

    Raises:
        ClusterError: there is none at that address, or it is of another version of Ray or Python.
    """
    # it would report its use over the network
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    with _own_signals():
        _connect(ray, on)
    try:
        yield ray
    finally:
        with _own_signals():
            ray.shutdown()


def _connect(ray: Any, on: str) -> None:
    passed = {name: os.environ[name] for name in (*_PASSED_ON, _CACHE) if name in os.environ}
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if passed:
        how["runtime_env"] = {"env_vars": passed}
    given = os.environ.get("RAY_ADDRESS", "")
    address = on if on != RAY else given
    try:
        if address:
            _knock(address)
        try:
            # without an address: that of a cluster that runs on this machine
            ray.init(address=address or "auto", **how)
        except ConnectionError:
            if address:
                raise
            ray.init(include_dashboard=False, **how)
    except Exception as error:  # of many kinds, of Ray and of gRPC
        raise ClusterError(
            f"there is no Ray cluster at {address or 'this machine, nor can one be started'} that "
            f"can be joined ({_first_line(error)}): check the address, and that Ray and Python are "
            "of the same version there"
        ) from error


def _knock(address: str) -> None:
    """Raise OSError where nobody listens; Ray would ask for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the signal handlers that Ray would replace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
