"""A stand-in for Ray in one process: pieces end in a random order, and workers die when told to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from toolkit.images.sources import Image


class Killed(BaseException):
    """Raised by what would end a worker's process; no handler of errors catches it."""


class RayError(Exception):
    """Ray's base class."""


class Crashed(RayError):  # noqa: N818
    """The worker died."""


class KillerImage(Image):
    """An image that takes the process down that decodes it."""

    def read(self) -> bytes:
        raise Killed


@dataclass(eq=False)
class Ref:
    """A result that will be there, or a value that was put."""

    work: Callable[[], Any] | None = None
    actor: Actor | None = None
    value: Any = None
    error: Exception | None = None
    done: bool = False


@dataclass(eq=False)
class Actor:
    """A worker."""

    kept: Any
    alive: bool = True


@dataclass
class FakeRay:
    """What ``toolkit.distribute`` uses of Ray.

    Attributes:
        machines: each with one core.
        chance: decides what ends next, and nothing else.
        strike: called before each piece; raises :class:`Killed` to have its worker die.
        actors: that were made.
    """

    machines: int = 2
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    strike: Callable[[], None] = lambda: None
    actors: int = 0
    exceptions: Any = field(
        default_factory=lambda: SimpleNamespace(
            RayError=RayError,
            RayTaskError=type("RayTaskError", (RayError,), {}),
            RaySystemError=type("RaySystemError", (RayError,), {}),
        )
    )

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 1.0}}] * self.machines

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address="nowhere")

    def put(self, value: Any) -> Ref:
        return Ref(value=value, done=True)

    def remote(self, target: Any = None, **options: Any) -> Any:
        if target is None:
            return self.remote
        make = self._actor if isinstance(target, type) else self._task
        return SimpleNamespace(
            options=lambda **_: SimpleNamespace(remote=lambda *given: make(target, *given))
        )

    def wait(
        self, refs: Sequence[Ref], num_returns: int, timeout: float
    ) -> tuple[list[Ref], list[Ref]]:
        ref = self.chance.choice(list(refs))
        if not ref.done:
            self._run(ref)
        return [ref], [each for each in refs if each is not ref]

    def get(self, ref: Ref) -> Any:
        if ref.error is not None:
            raise ref.error
        return ref.value

    def kill(self, handle: Any) -> None:
        pass

    def cancel(self, ref: Ref, force: bool) -> None:
        pass

    @contextmanager
    def joined(self, on: str) -> Iterator[FakeRay]:
        """Stand in for :func:`toolkit.distribute.ray_session.joined`."""
        yield self

    def _task(self, function: Callable[..., Any], *given: Any) -> Ref:
        return Ref(lambda: function(*map(_plain, given)))

    def _actor(self, kind: type, *given: Any) -> Any:
        self.actors += 1
        actor = Actor(kind(*given))

        def method(name: str) -> Any:
            def remote(*more: Any) -> Ref:
                return Ref(lambda: getattr(actor.kept, name)(*map(_plain, more)), actor)

            return SimpleNamespace(remote=remote)

        return SimpleNamespace(ready=method("ready"), call=method("call"))

    def _run(self, ref: Ref) -> None:
        assert ref.work is not None
        ref.done = True
        if ref.actor is not None and not ref.actor.alive:
            ref.error = Crashed("its worker died before")
            return
        try:
            self.strike()
            ref.value = ref.work()
        except Killed:
            ref.error = Crashed("killed")
            if ref.actor is not None:
                ref.actor.alive = False


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Ref) else value
