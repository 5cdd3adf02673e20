"""Manifest: one file that vouches for all others of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import ArtifactError
from toolkit.storage.files import digest_file, digest_of, read_json, write_json


def write_manifest(path: Path, facts: Mapping[str, Any]) -> str:
    """Write facts with the digests of all files beside and below; return the whole's digest."""
    files = sorted(
        file.relative_to(path.parent).as_posix()
        for file in path.parent.rglob("*")
        if file.is_file()
    )
    manifest = {**facts, "files": {file: digest_file(path.parent / file).hex() for file in files}}
    digest = digest_of(manifest)
    write_json(path, manifest | {"digest": digest})
    return digest


def read_manifest(path: Path, what: str, again: str) -> dict[str, Any]:
    """Return the facts, their ``digest`` with them, after checking every file.

    Args:
        path: of the manifest.
        what: is in the folder, for messages.
        again: how to make it again, for messages.

    Raises:
        ArtifactError: a file is missing or is not what was written.
    """
    found: dict[str, Any] = read_json(path, what)
    facts = dict(found) if isinstance(found, dict) else {}
    if facts.pop("digest", None) != digest_of(facts):
        raise ArtifactError(f"{what} is damaged: {path} is not what was written; {again}")
    for file, digest in facts["files"].items():
        place = path.parent / file
        if not place.is_file() or digest_file(place).hex() != digest:
            raise ArtifactError(
                f"{what} is damaged: {place} is missing or not what was written; {again}"
            )
    return found
