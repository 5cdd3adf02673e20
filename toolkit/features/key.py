"""CacheKey: all that an embedding depends on besides the image, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import ArtifactError, check_choice
from toolkit.features.backbones import VIEWS, Backbone
from toolkit.features.engines.rounding import VERSION as ROUNDING
from toolkit.images.decode import VERSION as DECODING
from toolkit.storage.files import digest_of, read_json

FORMAT = 2
DTYPES: dict[str, np.dtype[Any]] = {"fp16": np.dtype("<f2"), "fp32": np.dtype("<f4")}


class OtherFormatError(ArtifactError):
    """A store was written by another version of this toolkit."""


@dataclass(frozen=True)
class CacheKey:
    """Names a store of embeddings.

    Attributes:
        backbone: name, weights digest, preprocessing and pooling.
        views: views averaged, in the order of ``VIEWS``.
        precision: ``fp16``, ``bf16`` or ``fp32``, of the arithmetic; with bf16 the version of the
            rounding of weights enters, which stands for its code and its pictures. So does, always,
            that of decoding.
        dtype: ``fp16`` or ``fp32``, of the rows on disk. Half precision keeps 11 significant bits
            (IEEE 754 binary16, rounded to nearest): a relative error of at most 2**-11 for features
            of a size from 2**-14 to 65504, an absolute one of at most 2**-25 for smaller ones.
    """

    backbone: Backbone
    views: tuple[str, ...] = ("original",)
    precision: str = "fp32"
    dtype: str = "fp16"

    def facts(self) -> dict[str, Any]:
        """Return the JSON-able facts behind :attr:`hex`.

        Raises:
            UsageError: a fact is not one of its choices.
        """
        check_choice("dtype", self.dtype, tuple(DTYPES))
        check_choice("precision", self.precision, ("fp16", "bf16", "fp32"))
        check_choice("views", ",".join(self.views), (VIEWS[0], ",".join(VIEWS)))
        facts = {
            "format": FORMAT,
            "backbone": self.backbone.facts(),
            "views": list(self.views),
            "precision": self.precision,
            "store": self.dtype,
            "decoding": DECODING,
        }
        return facts | {"rounding": ROUNDING} if self.precision == "bf16" else facts

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> CacheKey:
        """Rebuild from :meth:`facts`; what is not such facts raises KeyError or TypeError."""
        return cls(
            Backbone.from_facts(facts["backbone"]),
            tuple(facts["views"]),
            facts["precision"],
            facts["store"],
        )

    @property
    def hex(self) -> str:
        """Digest that names the store; the name given to a weights file does not enter it."""
        return _digest(self.facts())

    @property
    def row_bytes(self) -> int:
        """Bytes of one embedding on disk."""
        return self.backbone.dim * DTYPES[self.dtype].itemsize

    @property
    def folder_name(self) -> str:
        """Readable folder name: the backbone and the first digits of the key."""
        return f"{self.backbone.name.replace('/', '-')}-{self.hex[:12]}"


def store_folder(artifacts: Path, key: CacheKey) -> Path:
    """Return the folder of the store that ``key`` names."""
    return artifacts / "embeddings" / key.folder_name


def read_key(folder: Path) -> CacheKey:
    """Read from a store's folder what it holds embeddings of.

    Raises:
        OtherFormatError: it is of another format, or images were decoded or weights rounded
            otherwise.
        ArtifactError: it does not say so.
    """
    facts = read_json(folder / "store.json", f"the embedding store {folder.name}")
    if isinstance(facts, dict) and facts.get("format", FORMAT) != FORMAT:
        raise OtherFormatError(
            f"the embedding store {folder} is of format {facts['format']}, this version reads "
            f"{FORMAT}: delete that folder and embed again"
        )
    try:
        key = CacheKey.from_facts(facts)
        named = facts.pop("key")
        if key.hex == named:
            return key
        sound = _digest(facts) == named
    except Exception:  # any part of damaged facts may be of any kind
        sound = False
    if sound:
        raise OtherFormatError(
            f"the embedding store {folder} holds rows of another decoding of images or rounding of "
            "weights: delete that folder and embed again"
        )
    raise ArtifactError(
        f"the embedding store {folder} does not say what made it (its store.json is damaged): "
        "delete that folder and embed again"
    )


def _digest(facts: dict[str, Any]) -> str:
    backbone = {name: fact for name, fact in facts["backbone"].items() if name != "weights"}
    return digest_of(facts | {"backbone": backbone})
