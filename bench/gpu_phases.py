"""Phases: work in parts, each in a process and a file of its own, so that nothing shown is lost.

A phase is a process. It takes its steps one after another, each in its own time, and after each its
file ``<phase>.json`` is written whole: a kill, a crash or an end of memory costs the step under
way. A step that fails or takes too long is noted with its traceback, and the next is begun. Where
it cannot be interrupted (a GPU that does not answer), or its process died, the phase begins anew
with the next step. Called again, a phase leaves out what is done.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = "GPU_PHASE_SECONDS"
LEFT_OUT = "GPU_PHASE_LEFT_OUT"
PATIENCE = "GPU_PHASE_PATIENCE"
_GRACE = 5.0
_LOOK = 0.25
_LONG = 4000
_SEPARATOR = "\n"
Found = dict[str, Any]


@dataclass(frozen=True)
class Phase:
    """A part of the work.

    Attributes:
        name: of its file.
        seconds: what it may take; what phases before it left over is added.
        command: its process.
    """

    name: str
    seconds: float
    command: Sequence[str]


class _OverdueError(BaseException):
    """A step took longer than it may; no ``except Exception`` on its way stops it."""


class Record:
    """What a phase has shown so far, kept in a file that is always whole.

    Args:
        path: the file.
        seconds: the phase's time from now on; None for no end.
        left_out: names of steps that are not taken.
        patience: steps may take so many times their limits.
    """

    def __init__(
        self,
        path: Path,
        seconds: float | None = None,
        left_out: Sequence[str] = (),
        patience: float = 1.0,
    ) -> None:
        self.path, self._left_out, self._patience = path, set(left_out), patience
        self._end = None if seconds is None else time.monotonic() + seconds
        self.facts: dict[str, Any] = {"phase": path.stem, "state": "begun", "steps": {}}
        if path.is_file():
            self.facts = json.loads(path.read_text(encoding="utf-8"))
        self.steps: dict[str, Any] = self.facts["steps"]

    @classmethod
    def of_process(cls, path: Path) -> Record:
        """Return the record of the process that :func:`run_phases` started."""
        _end_with_parent()
        seconds = os.environ.get(SECONDS)
        left_out = os.environ.get(LEFT_OUT, "").split(_SEPARATOR)
        patience = float(os.environ.get(PATIENCE, "1"))
        return cls(path, None if seconds is None else float(seconds), left_out, patience)

    def forget(self, name: str) -> None:
        """Let a step be taken again, where what it made is gone."""
        self.steps.pop(name, None)

    def left(self) -> float:
        """Return the seconds that are left."""
        return float("inf") if self._end is None else self._end - time.monotonic()

    def found(self, name: str) -> Found | None:
        """Return what a step found, None where it is not done."""
        step = self.steps.get(name, {})
        return step["found"] if step.get("state") == "done" else None

    def step(
        self, name: str, work: Callable[[], Found], needs: float = 0.0, limit: float = float("inf")
    ) -> Found | None:
        """Take a step unless it is done, left out, or needs more seconds than are left.

        Args:
            name: of the step.
            work: gives what it found.
            needs: seconds without which it is not begun.
            limit: seconds after which it is ended.
        """
        done = self.found(name)
        if done is not None or name in self._left_out:
            return done
        seconds = min(limit * self._patience, self.left())
        if seconds < needs or seconds <= 0:
            self._note(name, {"state": "no time"})
            return None
        ends = None if seconds == float("inf") else time.time() + seconds
        self._note(name, {"state": "begun", "ends": ends})
        started = time.perf_counter()
        try:
            with _interrupted_after(seconds):
                outcome: dict[str, Any] = {"state": "done", "found": work()}
        except _OverdueError:
            outcome = {"state": "out of time", "error": f"did not end in {seconds:.0f} s"}
            outcome["traceback"] = traceback.format_exc()[-_LONG:]
        except Exception as error:  # a step that fails is a finding; the others are taken
            traceback.print_exc()
            told = f"{type(error).__name__}: {error}"
            outcome = {"state": "failed", "error": told[:2000]}
            outcome["traceback"] = traceback.format_exc()[-_LONG:]
        outcome["seconds"] = round(time.perf_counter() - started, 3)
        self._note(name, outcome)
        return self.found(name)

    def overdue(self) -> list[str]:
        """Return the steps that are under way although their time, and some grace, is over."""
        now, begun = time.time() - _GRACE, "begun"
        return [
            name
            for name, step in self.steps.items()
            if step["state"] == begun and (step.get("ends") or now) < now
        ]

    def end(self, state: str) -> None:
        """Note how the phase ended; a step that had begun ended with it."""
        for name, step in self.steps.items():
            if step["state"] == "begun":
                self.steps[name] = {"state": state}
        self.facts["state"] = state
        write_whole(self.path, self.facts)

    def _note(self, name: str, outcome: dict[str, Any]) -> None:
        self.steps[name] = outcome
        self.facts["state"] = "begun"
        write_whole(self.path, self.facts)


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raise :class:`_OverdueError` in here after some seconds; only a main thread can be."""
    main = threading.current_thread() is threading.main_thread()
    if seconds == float("inf") or not main:
        yield
        return

    def overdue(*_: Any) -> None:
        raise _OverdueError

    before = signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def write_whole(path: Path, facts: Any) -> None:
    """Write JSON to a temporary name, sync it and rename it."""
    write_text(path, json.dumps(facts, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text to a temporary name, sync it and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")  # one name, so that kills leave one at most
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def run_phases(
    phases: Sequence[Phase],
    out: Path,
    seconds: float,
    say: Callable[[str], None] = print,
    on_phase: Callable[[dict[str, dict[str, Any]]], object] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Run phases in order of worth; return the facts of each.

    Args:
        phases: those that are done already are left out.
        out: folder of their files.
        seconds: of all together.
        say: hears what happens.
        on_phase: is given the facts of all phases after each.
    """
    end, due = time.monotonic() + seconds, time.monotonic()

    def facts() -> dict[str, dict[str, Any]]:
        return {phase.name: Record(out / f"{phase.name}.json").facts for phase in phases}

    for phase in phases:
        due += phase.seconds
        path = out / f"{phase.name}.json"
        if Record(path).facts["state"] == "done":
            say(f"{phase.name}: done before")
            continue
        started = time.monotonic()
        _forget_begun(path)
        _run(phase, path, min(due, end), say)
        state = Record(path).facts["state"]
        say(f"{phase.name}: {state} after {time.monotonic() - started:.0f} s")
        on_phase(facts())
    return facts()


def _run(phase: Phase, path: Path, end: float, say: Callable[[str], None]) -> None:
    """Start a phase, and again without the step that ended its process, until it ends by itself."""
    dead: list[str] = []
    while True:
        left = end - time.monotonic()
        if left <= 0:
            Record(path).end("out of time")
            return
        env = os.environ | {SECONDS: f"{left:.1f}", LEFT_OUT: _SEPARATOR.join(dead)}
        process = subprocess.Popen(list(phase.command), env=env, start_new_session=True)
        code, late = _wait(process, left, path)
        record = Record(path)
        if code is None and not late:
            record.end("out of time")
            return
        if code == 0:
            record.end(ended(record))
            return
        begun = [name for name, step in record.steps.items() if step["state"] == "begun"]
        if code is None:
            state, how = "out of time", "did not end in its time, and was killed"
        else:
            state = "died"
            how = f"died with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"
        say(f"{phase.name}: {', '.join(begun) or 'before any step'} {how}")
        record.end(state)
        if not begun:
            return
        for name in begun:
            record.steps[name]["error"] = how
        write_whole(path, record.facts)
        dead += begun


def ended(record: Record) -> str:
    """Return how a phase ended whose process ended well: as the worst of its steps did."""
    states = {step["state"] for step in record.steps.values()}
    told = {
        "died": "died",
        "failed": "failed",
        "no time": "out of time",
        "out of time": "out of time",
    }
    return next((end for state, end in told.items() if state in states), "done")


def _forget_begun(path: Path) -> None:
    """Drop a step that was under way when an earlier call was killed."""
    record = Record(path)
    begun = [name for name, step in record.steps.items() if step["state"] == "begun"]
    for name in begun:
        del record.steps[name]
    if begun:
        write_whole(path, record.facts)


def _wait(
    process: subprocess.Popen[bytes], seconds: float, path: Path
) -> tuple[int | None, list[str]]:
    """Return the exit code, or None for a process that was killed; and steps it was killed for."""
    code, late, end = None, list[str](), time.monotonic() + seconds
    try:
        while code is None and not late and time.monotonic() < end:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(min(_LOOK, max(0.0, end - time.monotonic())))
                break
            late = Record(path).overdue()
        if code is None:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
    finally:
        _signal(process, signal.SIGKILL)  # it, or what it has left behind
        process.wait()
    return code, late


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def verdict(phases: dict[str, dict[str, Any]]) -> int:
    """Return 0 where all was shown and every check held, 1 where not, 3 where time ran out."""
    steps = [step for facts in phases.values() for step in facts["steps"].values()]
    states = {step["state"] for step in steps} | {facts["state"] for facts in phases.values()}
    checks = [held for step in steps for held in step.get("found", {}).get("checks", {}).values()]
    if states & {"failed", "died"} or not all(checks):
        return 1
    return 0 if states <= {"done"} else 3


def table(phases: dict[str, dict[str, Any]]) -> str:
    """Return one line a step: what it showed, or why it showed nothing."""
    lines = []
    for name, facts in phases.items():
        lines.append(f"{name}: {facts['state']}")
        for step, outcome in facts["steps"].items():
            found = outcome.get("found", {})
            told = found.get("line") or outcome.get("error") or outcome["state"]
            told = told.splitlines()[0][:300]
            marks = [what for what, held in found.get("checks", {}).items() if not held]
            missed = [what for what, met in found.get("targets", {}).items() if not met]
            told += "".join(f"  CHECK FAILED: {what}" for what in marks)
            told += "".join(f"  target missed: {what}" for what in missed)
            lines.append(f"  {step:<34} {outcome.get('seconds', 0):>7.1f} s  {told}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit("this is a part of bench/gpu.py")
