"""What all tests share; here and not in tests/, where it would be looked through for doctests."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

# dozens of tests start processes of their own: each would compile torch's sources again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if "PYTEST_XDIST_WORKER" not in os.environ:
    # what is kept across artifacts folders is this run's own, and converted once in it
    _KEPT = tempfile.TemporaryDirectory(prefix="toolkit-cache-")
    os.environ["TOOLKIT_CACHE"] = _KEPT.name

if "PYTEST_XDIST_WORKER" in os.environ:
    # as many processes as cores: threads of one would only wait for those of another
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the short fault tests in one process: their one experiment takes longer than they do."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            short = not os.environ.get("TOOLKIT_FAULTS_LONG")
            return "faults" if short and nodeid.startswith("tests/faults/") else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this run that its processes share; who writes into it must lock."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder
