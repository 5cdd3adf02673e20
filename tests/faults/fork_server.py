"""A process that has every module loaded and forks the commands that it is asked to run.

    python -m tests.faults.fork_server

reads a line of JSON for each request, ``{"jobs": [job, ...]}``, starts all of its jobs at once and
answers with how each ended. A job is ``{"argv": [...], "cwd": folder, "env": {...}, "out": file,
"err": file}`` and may hold one fault:

    "kill": [seconds, signal]     after so many seconds
    "kill_at": number             SIGKILL just before the folder is changed for the n-th time
    "kill_on": text               SIGKILL just before the first change of a path that holds it
    "file_size": bytes            no file may grow past this

Changes are counted by the interpreter's own audit events under the folder ``env["WATCHED"]``:
files opened for writing, renamed, cut or removed, folders made or removed. A command in a forked
child is ``toolkit.cli.main`` with its arguments, as the installed script calls it; what is saved is
the loading of its libraries.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

LIMIT = 120.0
_LATE = (
    "lightgbm",
    "matplotlib.pyplot",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "timm",
    "torch._dynamo",
)
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.symlink"}


def preload() -> None:
    """Import the toolkit's modules and what they import inside functions."""
    import toolkit

    for module in pkgutil.walk_packages(toolkit.__path__, "toolkit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)


class Changes:
    """Counts changes of a folder, and ends the process just before one of them."""

    def __init__(self, folder: str, last: int | None, on: str | None) -> None:
        self.folder, self.last, self.on, self.count = folder, last, on, 0
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if event not in _CHANGES and not (event == "open" and _writes(arguments)):
            return
        path = arguments[0]
        path = "" if isinstance(path, int) else os.fsdecode(path)
        if not path.startswith(self.folder):
            return
        self.count += 1
        if self.count == self.last or (self.on is not None and self.on in path):
            os.kill(os.getpid(), signal.SIGKILL)


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def child(job: dict[str, Any]) -> None:
    """Become the command and leave."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(job["cwd"])
        for number, file in ((0, os.devnull), (1, job["out"]), (2, job["err"])):
            handle = os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
            os.dup2(handle, number)
        changes = Changes(job["env"]["WATCHED"], job.get("kill_at"), job.get("kill_on"))
        if "file_size" in job:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"], resource.RLIM_INFINITY))
        sys.argv = ["toolkit", *job["argv"]]
        code = command()
        sys.stdout.flush()
        sys.stderr.flush()
        if "file_size" not in job:
            Path(job["out"] + ".changes").write_text(str(changes.count))
    finally:
        os._exit(code)


def command() -> int:
    """Run the command line; return its exit code, and show what should never be seen."""
    import traceback

    from toolkit.cli import main

    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def serve(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run jobs at once; return each one's exit code, negative if killed, and seconds."""
    started = time.perf_counter()
    running: dict[int, dict[str, Any]] = {}
    for place, job in enumerate(jobs):
        process = os.fork()
        if process == 0:
            child(job)
        running[process] = job | {"place": place}
    ended: list[dict[str, Any]] = [{}] * len(jobs)
    while running:
        done, status = os.waitpid(-1, os.WNOHANG)
        now = time.perf_counter() - started
        if done:
            job = running.pop(done)
            code = os.waitstatus_to_exitcode(status)
            ended[job["place"]] = {"code": code, "seconds": now}
            continue
        for process, job in running.items():
            after, number = job.pop("kill", None) or (LIMIT, signal.SIGKILL)
            if now < after:
                job["kill"] = (after, number)
            else:
                os.kill(process, number)
        time.sleep(0.002)
    return ended


def main() -> None:
    """Serve until the standard input ends."""
    preload()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line)["jobs"])), flush=True)


if __name__ == "__main__":
    main()
