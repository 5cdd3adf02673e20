"""The heap that keeps what is freed."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from toolkit.runtime.heap import keep_freed_memory
kept = sys.argv[1] == "kept" and keep_freed_memory()
def use():
    np.ones(5_000_000)  # 40 MB: glibc maps it anew each time
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of the GNU C library")
def test_memory_that_is_freed_is_used_again() -> None:
    faults = {}
    for how in ("plain", "kept"):
        command = [sys.executable, "-c", SCRIPT, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        kept, faults[how] = map(int, done.stdout.split())
    assert kept
    assert faults["kept"] < faults["plain"] / 10
