"""Progress: where long work shows how far it is, and makes remarks in passing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from toolkit.errors import UsageError

_log = logging.getLogger("toolkit")
_WARNING = "warning: "


class Task:
    """One piece of long work that is being done.

    Args:
        name: what is done, for people.
        total: of how many steps it consists; None while that is not known.
        tell: called with name, steps done and total after each change.
    """

    def __init__(
        self, name: str, total: int | None, tell: Callable[[str, int, int | None], None]
    ) -> None:
        self.name, self.total, self.done, self._tell = name, total, 0, tell

    def start(self, total: int) -> None:
        """Say of how many steps the work consists."""
        self.total = total
        self._tell(self.name, self.done, self.total)

    def advance(self, steps: int = 1) -> None:
        """Say that steps were done."""
        self.done += steps
        self._tell(self.name, self.done, self.total)


class Progress:
    """Tells nobody; the base of those that tell somebody."""

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Yield a task whose steps are reported while the block runs."""
        yield Task(name, total, self.tell)

    def tell(self, name: str, done: int, total: int | None) -> None:
        """Hear how far a task is."""

    def say(self, remark: str) -> None:
        """Hear a remark in passing; one that begins with ``warning:`` is a warning."""
        warning = remark.removeprefix(_WARNING)
        _log.log(logging.INFO if warning == remark else logging.WARNING, warning)

    def epoch(self, run: str, metrics: dict[str, Any]) -> None:
        """Hear the metrics of an epoch of a training run."""


class CallableProgress(Progress):
    """Tells a function.

    Args:
        function: called with a task's name, steps done, and total (None if not known).
    """

    def __init__(self, function: Callable[[str, int, int | None], None]) -> None:
        self.function = function

    def tell(self, name: str, done: int, total: int | None) -> None:
        """Pass on how far a task is."""
        self.function(name, done, total)


class BarProgress(Progress):
    """Shows a bar for each task, in a terminal or in a notebook, and remarks on standard error."""

    def say(self, remark: str) -> None:
        """Log a remark, as all do, and show one that a logger would keep to itself."""
        super().say(remark)
        logged = _log.isEnabledFor(logging.INFO) and _log.hasHandlers()
        if not logged and not remark.startswith(_WARNING):
            from tqdm.auto import tqdm

            tqdm.write(remark, file=sys.stderr)

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Yield a task with a bar that vanishes when the task has ended."""
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tqdm, about notebooks without widgets
            from tqdm.auto import tqdm

        with tqdm(desc=name, total=total, leave=False, unit="") as bar:

            def tell(name: str, done: int, total: int | None) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield Task(name, total, tell)


def choose_progress(progress: Any = None) -> Progress:
    """Return where progress is shown, from what a verb was given.

    Args:
        progress: True for a bar; False for silence; None for a bar where a person looks on, in a
            terminal or a notebook; a function that takes ``(task, done, total)``; or a
            :class:`Progress`.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(progress, Progress):
        return progress
    if callable(progress):
        return CallableProgress(progress)
    if progress is not None and not isinstance(progress, bool):
        raise UsageError(f"progress: expected True, False, None or a function, found {progress!r}")
    if progress is None:
        progress = sys.stderr.isatty() or _in_notebook()
    return BarProgress() if progress else Progress()


def _in_notebook() -> bool:
    # IPython's own mark of a kernel; it is not imported where it is not there already
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
