"""Inventory: what embeddings are on disk, who uses them, and the removal of what nobody does."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset_store import list_datasets, load_dataset
from toolkit.errors import ArtifactError, ToolkitError, UsageError, listed
from toolkit.features.cache import EmbeddingCache
from toolkit.features.engines.converted import NOTE
from toolkit.features.engines.rounding import VERSION as ROUNDING
from toolkit.features.key import CacheKey, OtherFormatError, read_key
from toolkit.runtime.arguments import checked
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.contents import among
from toolkit.storage.files import read_json, sweep, temporary_beside
from toolkit.storage.row_files import (
    digests_of,
    entry_crcs,
    intact,
    read_entries,
    rewrite,
    roll_back,
    store_lock,
)

_NOT_STORES = ("backbones", "engines", "pixels")


@dataclass(frozen=True)
class StoreFacts:
    """One store of embeddings.

    Attributes:
        name: of its folder under ``artifacts/embeddings``.
        bytes: on disk.
        problem: why it cannot be used, or None.
        other_format: another version of this toolkit wrote it.
        key: facts of its key; None where they cannot be read.
        rows: number of rows, damaged ones included.
        skipped: images remembered as undecodable.
        used_by: rows used by each data set that uses any.
        unused: rows that no data set uses.
        damaged: numbers of rows that are not what was written; None where that was not checked.
    """

    name: str
    bytes: int
    problem: str | None
    other_format: bool = False
    key: dict[str, Any] | None = None
    rows: int = 0
    skipped: int = 0
    used_by: dict[str, int] = field(default_factory=dict)
    unused: int = 0
    damaged: list[int] | None = None


@dataclass(frozen=True)
class EngineFacts:
    """A converted network, kept so that it need not be converted again.

    Attributes:
        name: of its folder under ``artifacts/embeddings/engines``.
        bytes: on disk.
        stale: it is incomplete, of another OpenVINO or rounding, or of a backbone without a store.
    """

    name: str
    bytes: int
    stale: bool


@dataclass(frozen=True)
class Inventory:
    """All that lies under ``artifacts/embeddings``.

    Attributes:
        stores: stores of embeddings, by name.
        engines: converted networks, by name.
        unreadable: data sets that cannot be read, so that what they use is not known.
    """

    stores: list[StoreFacts]
    engines: list[EngineFacts]
    unreadable: list[str]

    def facts(self) -> dict[str, Any]:
        """Return a JSON-able document."""
        return asdict(self)


@dataclass(frozen=True)
class Pruned:
    """What was removed, or with ``dry_run`` what would be.

    Attributes:
        stores: names of stores removed whole.
        damaged: damaged rows removed, by store.
        unused: intact rows removed because no data set uses them, by store.
        engines: names of converted networks removed.
        bytes: freed on disk.
    """

    stores: list[str]
    damaged: dict[str, int]
    unused: dict[str, int]
    engines: list[str]
    bytes: int

    def facts(self) -> dict[str, Any]:
        """Return a JSON-able document."""
        return asdict(self)


@checked
def list_cache(*, artifacts: str | os.PathLike[str] | None = None) -> Inventory:
    """List stores and converted networks with their sizes and users.

    Args:
        artifacts: where everything is kept.
    """
    return _inventory(artifacts_folder(artifacts), check=False)


@checked
def verify_cache(*, artifacts: str | os.PathLike[str] | None = None) -> Inventory:
    """List the same, every row compared with its checksum.

    Args:
        artifacts: where everything is kept.
    """
    return _inventory(artifacts_folder(artifacts), check=True)


@checked
def prune_cache(
    *,
    damaged: bool = False,
    unused: bool = False,
    engines: bool = False,
    dry_run: bool = False,
    artifacts: str | os.PathLike[str] | None = None,
) -> Pruned:
    """Remove what is damaged or of no use; stores are rewritten in one step each.

    Args:
        damaged: remove damaged rows, and stores that do not say what made them.
        unused: remove stores and rows that no data set uses.
        engines: remove converted networks that are stale, and what killed runs left behind.
        dry_run: only tell what would be removed.
        artifacts: where everything is kept.

    Raises:
        UsageError: nothing is to be removed.
        ArtifactError: a data set cannot be read, so that it is not known what it uses.
    """
    if not (damaged or unused or engines):
        raise UsageError("what to remove: expected damaged, unused, engines or several, found none")
    folder = artifacts_folder(artifacts)
    found = _inventory(folder, check=damaged)
    if found.unreadable and unused:
        raise ArtifactError(
            f"what is unused cannot be known: data set {listed(found.unreadable)} cannot be read; "
            "import it again or delete its folder"
        )
    root = folder / "embeddings"
    gone = Pruned([], {}, {}, [e.name for e in found.engines if engines and e.stale], 0)
    size = sum(engine.bytes for engine in found.engines if engine.name in gone.engines)
    rewritten = []
    for store in found.stores:
        nameless = store.key is None and not store.other_format
        if (damaged and nameless) or (unused and not store.used_by):
            gone.stores.append(store.name)
            size += store.bytes
        elif store.key is not None:
            bad, idle = len(store.damaged or []), store.unused if unused else 0
            gone.damaged.update({store.name: bad} if bad else {})
            gone.unused.update({store.name: idle} if idle else {})
            size += store.bytes * (bad + idle) // max(1, store.rows)
            if bad or idle or (damaged and store.problem):
                rewritten.append(store)
    if dry_run:
        return replace(gone, bytes=size)
    before = _size(root)
    wanted = partial(_wanted, _users(folder)[0]) if unused else None
    for store in rewritten:
        rewrite(root / store.name, CacheKey.from_facts(store.key or {}).row_bytes, wanted)
    for removed in (*gone.stores, *(f"engines/{name}" for name in gone.engines)):
        _remove(root / removed)
    if engines:
        for swept in (root, root / "engines", root / "backbones", *_stores(root)):
            sweep(swept)
    return replace(gone, bytes=max(0, before - _size(root)))


def _inventory(artifacts: Path, *, check: bool) -> Inventory:
    root = artifacts / "embeddings"
    for lock in root.glob(".*.lock"):
        roll_back(root / lock.name[1 : -len(".lock")])
    users, unreadable = _users(artifacts)
    stores = [_store_facts(folder, users, check) for folder in _stores(root)]
    engines = [_engine_facts(folder, stores) for folder in _folders(root / "engines")]
    return Inventory(stores, engines, unreadable)


def _users(artifacts: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the content digests of each data set, and the data sets that cannot be read."""
    digests, unreadable = {}, []
    for name in list_datasets(artifacts):
        try:
            digests[name] = load_dataset(artifacts, name).digests
        except ToolkitError:
            unreadable.append(name)
    return digests, unreadable


def _wanted(users: dict[str, np.ndarray], digests: np.ndarray) -> np.ndarray:
    """Tell which contents any data set has, ``bool (n,)``."""
    wanted = np.zeros(len(digests), bool)
    for theirs in users.values():
        wanted |= among(digests, theirs)
    return wanted


def _store_facts(folder: Path, users: dict[str, np.ndarray], check: bool) -> StoreFacts:
    found = StoreFacts(folder.name, _size(folder), None)
    try:
        key = read_key(folder)
    except ArtifactError as error:
        other = isinstance(error, OtherFormatError)
        return replace(found, problem=str(error), other_format=other)
    try:
        found = replace(found, skipped=len(EmbeddingCache(folder, key).skipped()))
    except ArtifactError as error:
        found = replace(found, problem=str(error))
    entries = read_entries(folder)
    good = intact(folder, key.row_bytes) if check else entry_crcs(entries) == entries["entry_crc"]
    digests = digests_of(entries[: len(good)])[good]
    used = {name: int(among(digests, theirs).sum()) for name, theirs in users.items()}
    return replace(
        found,
        key=key.facts(),
        rows=len(good),
        used_by={name: rows for name, rows in used.items() if rows},
        unused=int((~_wanted(users, digests)).sum()),
        damaged=np.flatnonzero(~good).tolist() if check else None,
    )


def _engine_facts(folder: Path, stores: list[StoreFacts]) -> EngineFacts:
    backbones = [store.key["backbone"]["digest"] for store in stores if store.key]
    try:
        note = read_json(folder / NOTE, "the note on a converted network")
        rounding = ROUNDING if note["precision"] == "bf16" else None
        version = importlib.metadata.version("openvino")
        fresh = (note["openvino"], note.get("rounding")) == (version, rounding)
        stale = not fresh or note["backbone"]["digest"] not in backbones
    except (ArtifactError, KeyError, TypeError):
        stale = True
    return EngineFacts(folder.name, _size(folder), stale)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))


def _stores(root: Path) -> list[Path]:
    return [folder for folder in _folders(root) if folder.name not in _NOT_STORES]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _remove(folder: Path) -> None:
    """Remove a folder that has a lock beside it; it is gone in one step."""
    with store_lock(folder):
        aside = temporary_beside(folder)
        folder.rename(aside)
        shutil.rmtree(aside)
