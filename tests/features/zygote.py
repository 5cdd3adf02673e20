"""A process that has torch loaded and forks others, each of which embeds and may be killed.

    python -m tests.features.zygote IMAGES

reads a line of JSON per command, ``{"artifacts": [folders], "kill_after": seconds or null, "pause":
seconds a batch}``, starts one embedding process for each folder, all at once, and answers with how
each ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch  # noqa: F401  loaded once, here

from tests.features.feature_fakes import KEY, FakeEngine, no_network
from toolkit.features.fill import fill_store
from toolkit.images.decode import fast_jpeg_decoder
from toolkit.images.sources import Image, Images
from toolkit.storage.files import digest_file

CHUNK = 16


def child(images: list[Image], artifacts: Path, pause: float) -> None:
    """Embed in a forked process and leave it."""
    code = 1
    try:
        make = FakeEngine.maker(pause=pause)
        result = fill_store(Images.of(images), KEY, no_network, artifacts, make=make, chunk=CHUNK)
        code = 0 if result.computed + result.reused + len(result.skipped) == len(images) else 2
    finally:
        os._exit(code)


def serve(command: dict[str, Any], images: list[Image]) -> list[int]:
    """Run the processes that a command asks for; return their exit codes, negative if killed."""
    running = []
    for folder in command["artifacts"]:
        process = os.fork()
        if process == 0:
            child(images, Path(folder), command["pause"])
        running.append(process)
    if command["kill_after"] is not None:
        time.sleep(command["kill_after"])
        for process in running:
            os.kill(process, signal.SIGKILL)
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in running]


def main() -> None:
    """Serve until the standard input ends."""
    paths = sorted(Path(sys.argv[1]).iterdir())
    images = [Image(path.stem, str(path), digest_file(path)) for path in paths]
    fast_jpeg_decoder()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line), images)), flush=True)


if __name__ == "__main__":
    main()
