"""Worker: what stands between Ray and a piece of work, on the machine where the piece runs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from toolkit.errors import ClusterError

Outcome = tuple[bool, Any]


def version() -> str:
    """Return the toolkit's version on this machine."""
    return importlib.metadata.version("toolkit")


def call(
    expected: str,
    cpus: int,
    function: Callable[..., Any],
    inputs: dict[str, Any],
    names: Sequence[str],
    *shared: Any,
) -> Outcome:
    """Run a function; return ``(True, its result)`` or ``(False, what it raised)``.

    Errors come back as values: Ray would wrap them in one of its own.

    Args:
        expected: the toolkit's version where the run was started.
        cpus: threads to compute in.
        function: the piece's.
        inputs: by name.
        names: of the shared inputs.
        shared: the shared inputs, fetched by Ray.
    """
    try:
        check_version(expected)
        use_threads(cpus)
        return True, function(**inputs, **dict(zip(names, shared, strict=True)))
    except Exception as error:
        return False, portable(error)


class Worker:
    """Runs pieces that share a set-up, which is made with the first of them.

    Two at a time, so that one can read and decode while the other computes; whoever wrote the
    pieces locks what only one may use.
    """

    def __init__(self, expected: str, cpus: int, setup: Callable[[], Any]) -> None:
        self._expected, self._cpus, self._setup = expected, cpus, setup
        self._making = threading.Lock()
        self._made: list[Any] = []

    def ready(self) -> Outcome:
        """Return once this worker has a machine to run on."""
        return True, None

    def call(
        self,
        function: Callable[..., Any],
        inputs: dict[str, Any],
        names: Sequence[str],
        *shared: Any,
    ) -> Outcome:
        """Run a piece; see :func:`call`."""

        def with_setup(**given: Any) -> Any:
            with self._making:
                if not self._made:
                    self._made.append(self._setup())
            return function(self._made[0], **given)

        return call(self._expected, self._cpus, with_setup, inputs, names, *shared)


def use_threads(count: int) -> None:
    """Let this process compute in so many threads, however many cores its machine has.

    What takes no core, as it waits for others, gets one thread.
    """
    count = max(1, count)
    os.environ["LOKY_MAX_CPU_COUNT"] = str(count)  # what toolkit.runtime.processor.cores goes by
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)  # for libraries that are loaded later
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != count:
        torch.set_num_threads(count)


def portable(error: Exception) -> Exception:
    """Return an error that can travel, with the traceback as a note; the same one where it can."""
    note = "".join(traceback.format_exception(error))
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        parts: Any = error.__reduce__()  # as it is made again where it arrives
        again = parts[0](*parts[1])
        same = type(again) is type(error) and str(again) == str(error)
    except Exception:  # errors of other libraries may demand what they do not keep
        same = False
    found = error if same else RuntimeError(f"{type(error).__name__}: {error}")
    found.add_note(f"on {platform.node()}:\n{note}")
    return found


def check_version(expected: str) -> None:
    """Raise ClusterError if this machine has another version of the toolkit."""
    own = version()
    if own != expected:
        raise ClusterError(
            f"machine {platform.node()} of the cluster has toolkit {own}, this one {expected}: "
            "install the same version on all of them"
        )
