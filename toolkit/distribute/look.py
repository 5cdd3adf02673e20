"""Look: what each machine of a cluster is, has, and can see."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.distribute.ray_session import joined
from toolkit.distribute.worker import version
from toolkit.runtime.processor import processor_has_bf16, processor_name

_PATIENCE = 120.0
_GB = 1e9


def look_at_machines(
    on: str, note: Path, text: str, files: Sequence[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Return the facts of each machine of a cluster; one that is lost meanwhile is left out.

    Args:
        on: the cluster.
        note: a file that was just written into the artifacts folder.
        text: its content: a folder of the same name elsewhere has no such file.
        files: paths of images, with their sizes in bytes.

    Raises:
        ClusterError: the cluster cannot be had.
    """
    with joined(on) as ray:
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        task = ray.remote(seen_from_here)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        asked = [
            task.options(
                num_cpus=0, scheduling_strategy=strategy(node["NodeID"], soft=False)
            ).remote(str(note), text, list(files))
            for node in nodes
        ]
        found = []
        for node, ref in zip(nodes, asked, strict=True):
            has = node["Resources"]
            offers = {
                "address": node["NodeManagerAddress"],
                "cpus": int(has.get("CPU", 0)),
                "gpus": int(has.get("GPU", 0)),
                "memory_gb": round(has.get("memory", 0) / _GB, 1),
            }
            try:
                found.append(offers | ray.get(ref, timeout=_PATIENCE))
            except Exception as error:  # of many kinds: the toolkit may not be installed there
                if node["NodeID"] not in {each["NodeID"] for each in ray.nodes() if each["Alive"]}:
                    continue  # it was lost a while ago, and the cluster has only now noticed
                lines = str(error).strip().splitlines() or [type(error).__name__]
                found.append(offers | {"fault": lines[-1][:200]})
    return found


def seen_from_here(note: str, text: str, files: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return what this machine is and sees; arguments as for :func:`look_at_machines`."""
    try:
        artifacts = Path(note).read_text(encoding="utf-8") == text
    except OSError:
        artifacts = False
    return {
        "machine": platform.node(),
        "toolkit": version(),
        "python": platform.python_version(),
        "processor": processor_name(),
        "bf16": processor_has_bf16(),
        "artifacts": artifacts,
        "images": sum(_size(path) == size for path, size in files),
    }


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
