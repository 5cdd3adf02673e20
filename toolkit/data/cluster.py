"""Cluster: what there is to work on, and whether its machines can do the work."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.data.dataset import Dataset
from toolkit.data.open import open_dataset
from toolkit.distribute.look import look_at_machines
from toolkit.distribute.place import HERE, check_place
from toolkit.distribute.worker import version
from toolkit.errors import UsageError, counted
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import choose_progress
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import write_bytes

_SAMPLE = 16


@dataclass(frozen=True)
class Cluster:
    """A cluster as it was found.

    Attributes:
        on: how it was named.
        toolkit: the version on this machine.
        machines: of each ``machine``, ``address``, ``cpus``, ``gpus``, ``memory_gb``, ``toolkit``,
            ``python``, ``processor``, ``bf16``, and ``artifacts``, whether it sees this machine's
            artifacts folder; or ``fault``, why it could not be asked.
        images: how many images each was asked for; 0 without a data set.
        problems: what is wrong, a sentence each.
    """

    on: str
    toolkit: str
    machines: list[dict[str, Any]]
    images: int
    problems: list[str]

    def facts(self) -> dict[str, Any]:
        """Return the document of ``toolkit cluster --json``."""
        return dict(vars(self))

    def __repr__(self) -> str:
        """Return a line for each machine, and what is wrong."""
        lines = [
            f"{_name(each)}: {each['cpus']} CPUs, {each['gpus']} GPUs, "
            f"{each['memory_gb']} GB; toolkit {each.get('toolkit', 'not found')}"
            for each in self.machines
        ]
        return "\n".join([*lines, *(self.problems or ["nothing is wrong"])])


@checked
def describe_cluster(
    data: Dataset | str | None = None,
    *,
    on: str = "ray",
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Cluster:
    """Say what a Ray cluster offers, and whether its machines can do the work.

    Args:
        data: a data set, or the name of one, whose images the machines are asked for; None for
            none.
        on: the cluster: ``ray`` or ``ray://host:port``.
        artifacts: where everything is kept.
        progress: where progress is shown; see :func:`~toolkit.runtime.progress.choose_progress`.

    Raises:
        UsageError: ``on`` is no cluster, or Ray is not installed.
        ClusterError: the cluster cannot be had.
    """
    check_place(on)
    if on == HERE:
        raise UsageError("on: expected ray or ray://host:port, found 'here'")
    folder = artifacts_folder(artifacts).absolute()
    files: list[tuple[str, int]] = []
    if data is not None:
        dataset = open_dataset(data, folder, choose_progress(progress))
        rows = np.unique(np.linspace(0, len(dataset.ids) - 1, _SAMPLE).astype(np.int64)).tolist()
        root = os.path.abspath(dataset.root)
        files = [
            (os.path.join(root, dataset.files[row]), int(dataset.stats[row][0])) for row in rows
        ]
    token = secrets.token_hex(8)
    note = folder / f".cluster-{token}"
    write_bytes(note, token.encode())
    try:
        machines = look_at_machines(on, note, token, files)
    finally:
        note.unlink(missing_ok=True)
    return Cluster(on, version(), machines, len(files), _problems(machines, len(files)))


def _problems(machines: list[dict[str, Any]], images: int) -> list[str]:
    own, found = version(), []
    for each in machines:
        name = _name(each)
        if "fault" in each:
            found.append(
                f"{name} cannot run the toolkit ({each['fault']}): install toolkit[ray] {own} there"
            )
            continue
        if each["toolkit"] != own:
            found.append(
                f"{name} has toolkit {each['toolkit']}, this machine {own}: install {own} there"
            )
        if not each["artifacts"]:
            found.append(
                f"{name} does not see the artifacts folder: finetune and reproduce need it, and "
                "predict where the model is kept there; mount it at the same path, embed and ovr "
                "do without"
            )
        if each["images"] < images:
            found.append(
                f"{name} sees {each['images']} of {counted(images, 'image')}: they must be at the "
                "same paths"
            )
    if len({each.get("bf16") for each in machines if "fault" not in each}) > 1:
        found.append(
            "some processors have bf16 instructions and some have not: rows agree to rounding, not "
            "byte for byte"
        )
    return found


def _name(machine: dict[str, Any]) -> str:
    """Return a machine's name and address: machines from one image may share the name."""
    if "machine" not in machine:
        return str(machine["address"])
    return f"{machine['machine']} ({machine['address']})"
