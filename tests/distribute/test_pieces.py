"""Pieces in this process, and what ``on`` may say."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.distribute.cluster_fakes import Kept, double, kept_by, note, refuse
from toolkit.distribute import worker
from toolkit.distribute.piece import Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.distribute.worker import call, portable, version
from toolkit.errors import ClusterError, DataError, StoppedError, ToolkitError, UsageError


@pytest.fixture(autouse=True)
def _own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "use_threads", lambda count: None)


def numbers(count: int) -> Iterator[Piece]:
    table = np.arange(count)
    for n in range(count):
        yield Piece(str(n), double, {"number": n}, {"table": table})


def test_here_pieces_run_in_order_as_they_are_taken() -> None:
    taken: list[str] = []

    def pieces() -> Iterator[Piece]:
        for piece in numbers(4):
            taken.append(piece.name)
            yield piece

    run = run_pieces(pieces())
    assert next(run)[1] == 0
    assert taken == ["0"]
    assert [result for _, result in run] == [3, 6, 9]


def test_what_a_piece_raises_ends_the_run_and_keeps_what_was_done() -> None:
    pieces = [*numbers(2), Piece("bad", refuse, {"name": "it"}), *numbers(1)]
    done = []
    with pytest.raises(DataError, match="it is not what it must be"):
        done.extend([result for _, result in run_pieces(pieces)])
    run = run_pieces(pieces)
    assert [next(run)[1], next(run)[1]] == [0, 3]


def test_a_setup_is_made_once() -> None:
    before = Kept.made
    pieces = [Piece(str(n), kept_by, {"number": n}) for n in range(3)]
    found = [result["number"] for _, result in run_pieces(pieces, setup=Kept)]
    assert found == [0, 1, 2]
    assert Kept.made == before + 1


def test_a_piece_that_waits_for_a_later_one_is_a_mistake(tmp_path: Path) -> None:
    first = Piece("a", note, {"mark": tmp_path / "a"}, after=("b",))
    with pytest.raises(ValueError, match="before what it waits for"):
        list(run_pieces([first]))
    assert not (tmp_path / "a").exists()


def test_a_run_stops_between_pieces() -> None:
    asked = iter([False, False, True])
    with pytest.raises(StoppedError):
        list(run_pieces(numbers(9), stop=lambda: next(asked)))


@pytest.mark.parametrize("on", ["there", "ray://host", "ray:/host:1", "", "RAY", None, 3])
def test_a_place_that_is_none(on: object) -> None:
    with pytest.raises(UsageError, match="expected here, ray or ray://host:port"):
        list(run_pieces([], on))  # type: ignore[arg-type]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for on in ("ray", "ray://head:10001"):
        with pytest.raises(UsageError, match=r"toolkit\[ray\]"):
            list(run_pieces([], on))


def test_a_worker_gives_errors_back_as_they_are() -> None:
    sound, error = call(version(), 1, refuse, {"name": "x"}, [])
    assert not sound
    assert type(error) is DataError
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "x is not what it must be: look"
    assert "in refuse" in again.__notes__[0]


def test_errors_that_cannot_travel_become_plain_ones() -> None:
    class OddError(Exception):
        def __init__(self, a: int, b: int) -> None:
            super().__init__(f"{a} and {b}")

    found = portable(OddError(1, 2))
    assert (type(found), str(found)) == (RuntimeError, "OddError: 1 and 2")
    full = OSError(28, "No space left on device", "somewhere")
    same = portable(full)
    assert isinstance(same, OSError)
    assert (same.errno, same.filename) == (28, "somewhere")


def test_another_version_on_a_worker_is_refused() -> None:
    sound, error = call("0.0.0", 1, double, {"number": 1}, [])
    assert not sound
    assert isinstance(error, ClusterError)
    assert isinstance(error, ToolkitError)
    assert "install the same version" in str(error)


def test_ray_is_an_extra() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    required = text.split("dependencies = [")[1].split("]")[0]
    assert "ray" not in required
    assert importlib.util.find_spec("toolkit.distribute.ray_run") is not None
