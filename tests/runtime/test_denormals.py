"""Denormals that are taken for zero."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import torch
from contextlib import nullcontext
from toolkit.runtime.denormals import flushed_denormals
def left():
    torch.set_num_threads(2)
    return int((torch.full((4_000_000,), 1e-40) * 0.5).count_nonzero())
with flushed_denormals() if sys.argv[1] == "flushed" else nullcontext():
    inside = left()
print(inside, int(float(torch.tensor(1e-40) * 0.5) != 0))
"""


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="a switch of x86 processors"
)
@pytest.mark.parametrize(("how", "left"), [("flushed", 0), ("plain", 4_000_000)])
def test_all_threads_take_denormals_for_zero_and_the_caller_only_inside(
    how: str, left: int
) -> None:
    command = [sys.executable, "-c", SCRIPT, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    inside, after = map(int, done.stdout.split())
    assert inside == left
    assert after == 1
