"""The command line as a user sees it: arguments in; exit code, words and files out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.storage.files import digest_file

ROOT = Path(__file__).parents[2]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# what two runs of one recipe may differ in: locks, and who made it, when and how fast
_VOLATILE = ("provenance.json", "member.json", "metrics.jsonl", "bundle.json")

Wanted = tuple[Path, Sequence[object], dict[str, Any]]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    changes: int

    @property
    def killed(self) -> bool:
        """Whether a signal ended it, at once or as it asked to."""
        return self.code < 0 or self.code == 143

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def says(self, *words: str) -> None:
        """Check that it failed with one clear sentence that holds some words."""
        assert self.code in (1, 2), (self.code, self.err, self.out[-500:])
        said = [line for line in self.err.splitlines() if line.startswith("toolkit: ")]
        assert len(said) == 1, self.err
        assert "Traceback" not in self.err, self.err
        assert "unexpected" not in said[0], self.err
        for word in words:
            assert word in said[0], self.err


def environment(artifacts: Path) -> dict[str, str]:
    """Return the environment of a command."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TOOLKIT", "PYTEST", "COL"))}
    one = dict.fromkeys(_THREADS, "1")
    own = {"TOOLKIT_ARTIFACTS": str(artifacts), "WATCHED": str(artifacts), "NO_COLOR": "1"}
    own["TOOLKIT_CACHE"] = ""  # what is damaged shall not be found whole elsewhere
    return kept | one | own


class CommandLine:
    """Runs commands in children of a process that has the libraries loaded."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self._count = scratch, 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | dict.fromkeys(_THREADS, "1"),
        )
        assert self._line() == "ready"

    def __call__(self, artifacts: Path, *argv: object, **fault: Any) -> Ended:
        return self.at_once([(artifacts, argv, fault)])[0]

    def at_once(self, wanted: Sequence[Wanted]) -> list[Ended]:
        """Run commands side by side, each ``(artifacts, arguments, fault)``."""
        jobs = []
        for artifacts, argv, fault in wanted:
            self._count += 1
            out = self.scratch / f"{self._count}.out"
            jobs.append(
                {
                    "argv": list(map(str, argv)),
                    "cwd": str(self.scratch),
                    "env": environment(artifacts),
                    "out": str(out),
                    "err": str(out.with_suffix(".err")),
                    **fault,
                }
            )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jobs": jobs}) + "\n")
        self.process.stdin.flush()
        return [_ended(job, how) for job, how in zip(jobs, json.loads(self._line()), strict=True)]

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def _ended(job: dict[str, Any], how: dict[str, Any]) -> Ended:
    out, err, changes = Path(job["out"]), Path(job["err"]), Path(job["out"] + ".changes")
    printed, said = (f.read_text(errors="replace") if f.is_file() else "" for f in (out, err))
    count = int(changes.read_text()) if changes.is_file() else 0
    for file in (out, err, changes):
        file.unlink(missing_ok=True)
    return Ended(how["code"], printed, said, how["seconds"], count)


def content(artifacts: Path) -> dict[str, str]:
    """Return what an artifacts folder holds: digest by path; volatile files by name alone.

    Anything that a kill left behind shows as a path that an undisturbed run does not have.
    """
    found = {}
    for file in sorted(artifacts.rglob("*")):
        kept = file.match("members/*/thresholds.json")  # by compare, which fits them anew
        if file.is_file() and not file.name.endswith(".lock") and not kept:
            volatile = file.name in _VOLATILE
            path = file.relative_to(artifacts).as_posix()
            found[path] = "" if volatile else digest_file(file).hex()
    return found
