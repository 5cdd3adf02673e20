"""The prepared run for a GPU keeps what was shown, whatever ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.gpu_phases import Phase, run_phases, table, verdict

ROOT = Path(__file__).parents[2]
WORK = """
import os, pathlib, signal, sys, time
from bench.gpu_phases import Record
place = pathlib.Path(sys.argv[1])
record = Record.of_process(place)
for name in sys.argv[2:]:
    def work(name=name):
        with open(place.with_suffix(".log"), "a") as log:
            log.write(name + " ")
        if name == "crash":
            os.kill(os.getpid(), 9)
        if name in ("slow", "late"):
            try:
                time.sleep(600)
            except Exception:
                pass
        if name == "stuck":  # as in a driver that does not answer
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGTERM])
            time.sleep(600)
        if name == "bad":
            raise ValueError("of no use")
        return {"line": "shown " + name, "checks": {"right": name != "wrong"}}
    limit = 0.3 if name in ("late", "stuck") else 1e9
    record.step(name, work, needs=1e12 if name == "long" else 0, limit=limit)
"""


@pytest.fixture(autouse=True)
def found_by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def phase(out: Path, name: str, *steps: str, seconds: float = 600) -> Phase:
    return Phase(name, seconds, [sys.executable, "-c", WORK, str(out / f"{name}.json"), *steps])


def quiet(_: str) -> None: ...


def kept(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text())
    return {step: outcome["state"] for step, outcome in found["steps"].items()} | {
        "": found["state"]
    }


def test_a_step_that_fails_or_dies_costs_no_other(tmp_path: Path) -> None:
    phases = [
        phase(tmp_path, "a", "one", "crash", "bad", "two"),
        phase(tmp_path, "b", "three", "wrong"),
    ]
    found = run_phases(phases, tmp_path, 600, quiet)
    assert kept(tmp_path, "a") == {
        **{"one": "done", "crash": "died", "bad": "failed", "two": "done"},
        "": "died",
    }
    assert kept(tmp_path, "b")[""] == "done"
    assert verdict(found) == 1
    assert found["a"]["steps"]["bad"]["traceback"].startswith("Traceback")
    told = table(found)
    assert "died with SIGKILL" in told
    assert "ValueError: of no use" in told
    assert "CHECK FAILED: right" in told
    assert (tmp_path / "a.log").read_text() == "one crash bad two "
    run_phases(phases, tmp_path, 600, quiet)  # what is not done is tried again, no more
    assert (tmp_path / "a.log").read_text() == "one crash bad two crash bad "
    assert (tmp_path / "b.log").read_text() == "three wrong "


def test_a_step_that_takes_too_long_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.gpu_phases._GRACE", 0.5)
    told: list[str] = []
    seen: list[dict[str, Any]] = []
    phases = [phase(tmp_path, "a", "one", "late", "two", "stuck", "three"), phase(tmp_path, "b")]
    found = run_phases(phases, tmp_path, 600, told.append, seen.append)
    over = "out of time"
    assert kept(tmp_path, "a") == {
        **{"one": "done", "late": over, "two": "done", "stuck": over, "three": "done", "": over}
    }
    assert verdict(found) == 3
    late = found["a"]["steps"]["late"]
    assert late["error"] == "did not end in 0 s"
    assert "time.sleep(600)" in late["traceback"] or "in work" in late["traceback"]
    assert told[0] == "a: stuck did not end in its time, and was killed"
    assert [set(facts) for facts in seen] == [{"a", "b"}] * 2
    assert seen[0]["a"]["state"] == over
    assert "did not end in its time" in table(found)


def test_time_that_runs_out_is_said(tmp_path: Path) -> None:
    run_phases([phase(tmp_path, "a", "one", "bad")], tmp_path, 600, quiet)
    slow = phase(tmp_path, "a", "one", "slow", seconds=0.3)
    found = run_phases([slow, phase(tmp_path, "b", "two", "long")], tmp_path, 600, quiet)
    a = kept(tmp_path, "a")
    assert (a["one"], a.get("slow", "out of time"), a[""]) == ("done", "out of time", "out of time")
    assert kept(tmp_path, "b") == {"two": "done", "long": "no time", "": "out of time"}
    del found["a"]["steps"]["bad"]
    assert verdict(found) == 3
    found = run_phases([phase(tmp_path, "c", "one")], tmp_path, 0, quiet)
    assert found["c"]["state"] == "out of time"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_run_killed_in_any_phase_keeps_what_was_shown_and_goes_on(
    tmp_path: Path, number: int
) -> None:
    names = "abc"

    call = (
        "import sys, pathlib; from bench.gpu_phases import *; from tests.devices.test_gpu_phases "
        "import phase, steps_of; out = pathlib.Path(sys.argv[1]); "
        f"run_phases(steps_of(out, {number}, 'slow'), out, 600)"
    )
    process = subprocess.Popen([sys.executable, "-c", call, str(tmp_path)], cwd=ROOT)
    under_way = tmp_path / f"{names[number]}.json"
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if under_way.is_file() and '"slow"' in under_way.read_text():
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for at in range(number):
        assert kept(tmp_path, names[at])[""] == "done"
    assert kept(tmp_path, names[number]) == {"one": "done", "slow": "begun", "": "begun"}
    found = run_phases(steps_of(tmp_path, number, "two"), tmp_path, 600, quiet)
    assert verdict(found) == 0
    for at, name in enumerate(names):
        log = (tmp_path / f"{name}.log").read_text()
        assert log == ("one slow two " if at == number else "one two ")


def steps_of(out: Path, number: int, last: str) -> list[Phase]:
    """Return three phases, of which one ends in a given step."""
    return [
        phase(out, name, "one", last if at == number else "two") for at, name in enumerate("abc")
    ]
