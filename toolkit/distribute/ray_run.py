"""Pieces on Ray: tasks, or actors where workers keep a set-up; as many as there is room for."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from toolkit.distribute.head import Head
from toolkit.distribute.piece import Lost, Piece
from toolkit.distribute.ray_session import joined
from toolkit.distribute.worker import Outcome, Worker, call, version
from toolkit.errors import STOPPED, ClusterError, StoppedError, counted

_EACH = 2  # pieces a worker has at a time: one computes, one reads or waits
_POLL, _LOOK, _GRACE = 0.5, 5.0, 20.0
_STILLBORN = 8


def run_on_ray(
    pieces: Iterable[Piece],
    on: str,
    setup: Callable[[], Any] | None,
    retries: int,
    keep_lost: bool,
    stop: Callable[[], bool] | None,
) -> Iterator[tuple[Piece, Any]]:
    """Run pieces on a cluster; see :func:`toolkit.distribute.pieces.run_pieces`."""
    with joined(on) as ray:
        run = _Run(ray, setup, (_Try(piece) for piece in pieces))
        try:
            while run.begin():
                if stop is not None and stop():
                    raise StoppedError(STOPPED)
                for tried, outcome in run.ended():
                    if outcome is None and tried.lost <= retries:
                        run.waiting.appendleft(tried)
                        continue
                    sound, result = outcome or (True, Lost(_lost(tried)))
                    if isinstance(result, Exception) and not sound:
                        raise result
                    if isinstance(result, Lost) and not keep_lost:
                        raise result.error
                    run.done.add(tried.piece.name)
                    yield tried.piece, result
        finally:
            run.give_up()


@dataclass
class _Try:
    """A piece, how often its worker was lost, and how the last time."""

    piece: Piece
    lost: int = 0
    how: str = ""


@dataclass
class _Actor:
    """A worker: what to call, what says that it has a machine, and how many pieces it has."""

    handle: Any
    ready: Any
    has: int = 0
    there: bool = False


class _Run:
    """Pieces that wait, those under way, and the workers."""

    def __init__(self, ray: Any, setup: Callable[[], Any] | None, source: Iterator[_Try]) -> None:
        self.waiting, self.done = deque[_Try](), set[str]()
        self._ray, self._setup, self._source, self._version = ray, setup, source, version()
        self._under_way: dict[Any, tuple[_Try, _Actor | None]] = {}
        self._actors: list[_Actor] = []
        self._sent: dict[int, tuple[Any, Any]] = {}
        self._nodes: list[dict[str, float]] = []
        self._looked, self._without = -_LOOK, 0.0
        self._stillborn = 0
        self._head = Head.of(ray)
        # a process a piece: what a piece sets up in its process, and its memory, ends with it
        self._task, self._worker = ray.remote(max_calls=1)(call), ray.remote(Worker)

    def begin(self) -> bool:
        """Begin pieces while there is room, taking no more from the source; False at the end.

        Raises:
            ClusterError: the head of the cluster is lost, or no machine is large enough.
        """
        if not self._head.answers():  # whatever asks it would wait, until Ray ends this process
            return True
        blocked: list[_Try] = []
        held = False
        while not held:
            following = self.waiting.popleft() if self.waiting else next(self._source, None)
            if following is None:
                break
            if not self.done.issuperset(following.piece.after):
                blocked.append(following)
            elif not self._begin(following):
                self.waiting.appendleft(following)
                held = True
        self.waiting.extendleft(reversed(blocked))
        if held and self._setup is not None:
            self._add_workers()
        if not self._under_way and not held and blocked:
            names = [each.piece.name for each in blocked]
            raise ValueError(f"these pieces wait for some that never come: {names}")
        return bool(self._under_way or held)

    def ended(self) -> Iterator[tuple[_Try, Outcome | None]]:
        """Wait a while; give what ended, None for the outcome of a piece whose worker was lost."""
        coming = {actor.ready: actor for actor in self._actors if not actor.there}
        both = [*self._under_way, *coming]
        if not both:
            time.sleep(_POLL)
            return
        for ref in self._ray.wait(both, num_returns=1, timeout=_POLL)[0]:
            if ref in coming:
                self._arrived(coming[ref])
                continue
            tried, actor = self._under_way.pop(ref)
            outcome, how = self._fetched(ref)
            if actor is not None:
                actor.has -= 1
            if outcome is None:
                tried.lost, tried.how = tried.lost + 1, how
                if actor in self._actors:
                    self._actors.remove(actor)
            yield tried, outcome

    def _arrived(self, actor: _Actor) -> None:
        """Take up a worker that has a machine, or count one that never had."""
        outcome, how = self._fetched(actor.ready)
        if outcome is not None and outcome[0]:
            actor.there, self._stillborn = True, 0
            return
        self._actors.remove(actor)
        self._stillborn += 1
        if outcome is not None or self._stillborn > _STILLBORN:
            raise ClusterError(
                f"no worker can be started ({outcome[1] if outcome else how}): install "
                "toolkit[ray] on every machine of the cluster, and look at Ray's logs"
            )

    def give_up(self) -> None:
        """End whatever is under way; without a head all of it ends by itself."""
        there = self._head.there()
        for each in self._actors if there else ():
            with suppress(Exception):
                self._ray.kill(each.handle)
        for ref, (_, actor) in self._under_way.items():
            if actor is None and there:
                with suppress(Exception):
                    self._ray.cancel(ref, force=True)
        self._under_way, self._actors, self._sent = {}, [], {}

    def _begin(self, tried: _Try) -> bool:
        """Begin a piece, if there is room."""
        piece = tried.piece
        if self._setup is None:
            if len(self._under_way) >= _EACH * self._slots(piece):
                return False
            task = self._task.options(**_needs(piece), max_retries=0)
            ref = task.remote(self._version, piece.cpus, *self._sendable(piece))
            self._under_way[ref] = (tried, None)
            return True
        free = [actor for actor in self._actors if actor.there and actor.has < _EACH]
        if not free:
            return False
        actor = min(free, key=lambda each: each.has)
        actor.has += 1
        self._under_way[actor.handle.call.remote(*self._sendable(piece))] = (tried, actor)
        return True

    def _add_workers(self) -> None:
        """Start workers: as many as fit the cluster and have something to do."""
        piece, setup = self.waiting[0].piece, self._setup
        slots = self._slots(piece)
        self.waiting.extend(itertools.islice(self._source, max(0, slots - len(self.waiting))))
        while len(self._actors) < min(slots, len(self.waiting) + len(self._under_way)):
            options = {"max_restarts": 0, "max_concurrency": _EACH}
            made = self._worker.options(**_needs(piece), **options)
            handle = made.remote(self._version, piece.cpus, setup)
            self._actors.append(_Actor(handle, handle.ready.remote()))

    def _sendable(self, piece: Piece) -> tuple[Any, ...]:
        """Return what a worker is called with; what is shared is put where all can fetch it."""
        shared = []
        for value in piece.shared.values():
            if id(value) not in self._sent:
                # the value is held on to, so that its id stays its own
                self._sent[id(value)] = (value, self._ray.put(value))
            shared.append(self._sent[id(value)][1])
        return (piece.function, dict(piece.inputs), list(piece.shared), *shared)

    def _slots(self, piece: Piece) -> int:
        """Return how many such pieces the cluster's machines could run together.

        Raises:
            ClusterError: none, for a while.
        """
        now = time.monotonic()
        if now - self._looked > _LOOK:
            self._looked = now
            self._nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        needs = {"CPU": piece.cpus, "GPU": piece.gpus, "memory": piece.memory}
        wanted = {name: need for name, need in needs.items() if need}
        slots = sum(
            min([int(node.get(name, 0) // need) for name, need in wanted.items()], default=1)
            for node in self._nodes
        )
        if slots:
            self._without = 0.0
        elif not self._without:
            self._without = now
        elif now - self._without > _GRACE:
            have = "; ".join(
                ", ".join(f"{node.get(name, 0):g} {name}" for name in wanted)
                for node in self._nodes
            )
            raise ClusterError(
                f"{piece.name} needs a machine with "
                + ", ".join(f"{need} {name}" for name, need in wanted.items())
                + f", and the cluster has none (its machines: {have or 'none'}): add one"
            )
        return slots

    def _fetched(self, ref: Any) -> tuple[Outcome | None, str]:
        """Return an outcome, or None and how the worker was lost."""
        raised = self._ray.exceptions
        try:
            return self._ray.get(ref), ""
        except raised.RayTaskError as error:  # before the piece began or after it ended
            cause = _first_line(error.cause if error.cause is not None else error)
            return (
                False,
                ClusterError(
                    f"a machine of the cluster cannot take or give back a piece of work ({cause}): "
                    "install the same toolkit there, with the same dependencies"
                ),
            ), ""
        except raised.RaySystemError as error:
            raise ClusterError(
                f"the connection to the cluster broke ({_first_line(error)}): run the same command "
                "again; what was finished is kept"
            ) from error
        except raised.RayError as error:
            return None, _first_line(error)


def _needs(piece: Piece) -> dict[str, Any]:
    """Return what Ray is asked for."""
    needs = {"num_cpus": piece.cpus, "num_gpus": piece.gpus, "scheduling_strategy": "SPREAD"}
    return needs | ({"memory": piece.memory} if piece.memory else {})


def _lost(tried: _Try) -> ClusterError:
    return ClusterError(
        f"{tried.piece.name}: the worker that ran it died {counted(tried.lost, 'time')} (at last: "
        f"{tried.how}): look at that machine's memory and Ray's logs, then run the same command "
        "again; what was finished is kept"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
