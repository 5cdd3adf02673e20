"""A Ray cluster that is joined for the time of a run, or started for it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.distribute.head import knock
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
    listens = False
    try:
        if address:
            knock(address, _PATIENCE)  # Ray would ask for minutes
            listens = True
            ray.init(address=address, **how)
        else:
            _join_or_start(ray, how)
    except Exception as error:  # of many kinds, of Ray and of gRPC
        why = _first_line(error)
        if not address:
            raise ClusterError(
                f"Ray cannot be started on this machine, nor joined where it runs already ({why}): "
                "if the machine is busy, run the same command again; else look at Ray's logs"
            ) from error
        named = " (RAY_ADDRESS)" if address == given else ""
        token = ", and that this machine has its token (RAY_AUTH_MODE=token, ~/.ray/auth_token)"
        raise ClusterError(
            f"there is no Ray cluster at {address}{named} that can be joined ({why}): check the "
            "address, that Ray and Python are of the same version there"
            f"{token if listens else ''}"
        ) from error


def _join_or_start(ray: Any, how: dict[str, Any]) -> None:
    """Join the cluster that ``ray start`` began on this machine, or start one for this run.

    ``auto`` would take any that runs here, also one that another program started for itself, and
    takes with it when it ends.
    """
    try:
        begun = ray._private.utils.read_ray_address()  # there is no public way
    except AttributeError:
        begun = None  # Ray finds it by itself
    try:
        if begun:
            knock(begun, _PATIENCE)
    except OSError:  # it ended without ray stop, and Ray would ask it for minutes
        how = {"address": "local", **how}
    ray.init(include_dashboard=False, **how)


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
