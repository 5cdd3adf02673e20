"""One small experiment that all fault tests copy, and the table of what they tried."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.faults.command_line import CommandLine, content
from tests.faults.reliability_table import Trial, write_table
from tests.faults.stages import Stage, arguments, paint, stages
from toolkit.storage.files import write_json

LONG = bool(os.environ.get("TOOLKIT_FAULTS_LONG"))
_PAGE = os.environ.get("TOOLKIT_FAULTS_PAGE")
_TRIALS: list[Trial] = []
Tried = Callable[..., None]


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether this is the long version of the suite."""
    return LONG


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Run commands: ``toolkit(artifacts, "ovr", ...)``."""
    made = CommandLine(tmp_path_factory.mktemp("scratch"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def course(shared: Path) -> Path:
    """Small pictures with label files; not to be changed."""
    folder = shared / "course"
    with FileLock(shared / "course.lock"):
        if not folder.is_dir():
            paint(folder)
    return folder


@pytest.fixture(scope="session")
def steps(course: Path) -> dict[str, Stage]:
    return stages(course)


@pytest.fixture(scope="session")
def undisturbed(toolkit: CommandLine, steps: dict[str, Stage], shared: Path) -> Path:
    """Return the artifacts of all stages, none of them disturbed; not to be changed."""
    place = shared / "undisturbed"
    with FileLock(shared / "undisturbed.lock"):
        if not (place / "artifacts").is_dir():
            building, changes = place / "building", {}
            for name, stage in steps.items():
                done = toolkit(building, *arguments(stage, building))
                assert done.code == 0, done.err
                changes[name] = done.changes
            write_json(place / "changes.json", changes)
            building.rename(place / "artifacts")
    return place / "artifacts"


@pytest.fixture(scope="session")
def whole(undisturbed: Path) -> dict[str, str]:
    """Return the undisturbed artifacts' content."""
    return content(undisturbed)


@pytest.fixture
def copied(undisturbed: Path, tmp_path: Path) -> Path:
    """Return a copy of the undisturbed artifacts."""
    return Path(shutil.copytree(undisturbed, tmp_path / "artifacts"))


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Tried:
    """Note, for the table, what a test tried: ``tried(area, what, fault, times, outcome)``."""

    def note(area: str, what: str, fault: str, times: int, outcome: str) -> None:
        record_property("trial", [area, what, fault, times, outcome])

    return note


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _TRIALS.extend(Trial.of(report))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _PAGE and "PYTEST_XDIST_WORKER" not in os.environ and _TRIALS:
        write_table(Path(_PAGE), _TRIALS, "Long" if LONG else "Short")
