"""Pieces on a Ray cluster of two machines: in any order, again after a loss, errors as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distribute import cluster_fakes as fakes
from toolkit.distribute.piece import Lost, Piece
from toolkit.distribute.pieces import run_pieces
from toolkit.errors import ClusterError, DataError

pytestmark = pytest.mark.filterwarnings("ignore")


def test_results_come_as_they_are_done_and_no_more_is_taken_than_there_is_room(
    ray_on: str,
) -> None:
    table, taken, ended = np.arange(12), 0, 0

    def pieces() -> Iterator[Piece]:
        nonlocal taken
        for n in range(12):
            taken += 1
            assert taken - ended <= 6  # two machines, two pieces each, one in hand
            yield Piece(str(n), fakes.double, {"number": n}, {"table": table})

    found = {}
    for piece, result in run_pieces(pieces(), ray_on):
        ended += 1
        found[piece.name] = result
    assert found == {str(n): 3 * n for n in range(12)}


def test_what_a_piece_raises_comes_back_as_the_same_error(ray_on: str) -> None:
    with pytest.raises(DataError, match="it is not what it must be: look") as caught:
        list(run_pieces([Piece("bad", fakes.refuse, {"name": "it"})], ray_on))
    assert type(caught.value) is DataError
    with pytest.raises(OSError, match="No space left") as full:
        list(run_pieces([Piece("full", fakes.full)], ray_on))
    assert full.value.errno == 28


def test_a_lost_worker_is_replaced_and_a_hopeless_piece_named(ray_on: str, tmp_path: Path) -> None:
    once = Piece("once", fakes.die_once, {"mark": tmp_path / "mark"})
    plain = Piece("plain", fakes.double, {"number": 1})
    found = {piece.name: result for piece, result in run_pieces([once, plain], ray_on)}
    assert found == {"once": "alive", "plain": 2}
    with pytest.raises(ClusterError, match="hopeless: the worker that ran it died 2 times"):
        list(run_pieces([Piece("hopeless", fakes.die)], ray_on, retries=1))
    pieces = [Piece("hopeless", fakes.die), plain]
    kept = {p.name: r for p, r in run_pieces(pieces, ray_on, retries=0, keep_lost=True)}
    assert kept["plain"] == 2
    assert isinstance(kept["hopeless"], Lost)


def test_pieces_wait_for_those_they_name(ray_on: str, tmp_path: Path) -> None:
    marks = [tmp_path / "a", tmp_path / "b"]
    pieces = [
        Piece("a", fakes.note, {"mark": marks[0], "seconds": 1.0}),
        Piece("b", fakes.note, {"mark": marks[1], "seconds": 1.0}),
        Piece("c", fakes.after, {"marks": marks}, after=("a", "b")),
    ]
    found = [(piece.name, result) for piece, result in run_pieces(pieces, ray_on)]
    assert found[-1] == ("c", True)
    with pytest.raises(ValueError, match="never come"):
        list(run_pieces([Piece("c", fakes.double, after=("z",))], ray_on))


def test_a_worker_keeps_its_setup(ray_on: str) -> None:
    pieces = [Piece(str(n), fakes.kept_by, {"number": n}) for n in range(12)]
    found: list[dict[str, Any]] = [
        result for _, result in run_pieces(pieces, ray_on, setup=fakes.Kept)
    ]
    assert sorted(each["number"] for each in found) == list(range(12))
    assert {each["made"] for each in found} == {1}
    assert len({each["pid"] for each in found}) <= 2


def test_a_cluster_without_what_a_piece_needs(ray_on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.distribute.ray_run._GRACE", 0.1)
    with pytest.raises(ClusterError, match="needs a machine with 1 CPU, 4 GPU"):
        list(run_pieces([Piece("big", fakes.die, gpus=4)], ray_on))


def test_no_cluster_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="needs the extra toolkit[ray]")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ClusterError, match="there is no Ray cluster at"):
        list(run_pieces([Piece("a", fakes.double, {"number": 1})], "ray"))
