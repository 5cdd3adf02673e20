"""Dataset: images, labels and content digests, joined by id and kept in one file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data.importer import read_labelled, take_in
from toolkit.data.readers.at_address import data_path
from toolkit.data.readers.base import METADATA, Options
from toolkit.data.readers.frame import names_given, read_frame
from toolkit.data.synthetic import IMAGES, SYNTHETIC, painted_folder
from toolkit.data.writers.table import split_column
from toolkit.errors import DataError, counted, listed
from toolkit.images.addresses import is_address
from toolkit.images.places import place_under, read_place, reading_order, stamp
from toolkit.pages.tables import html_table
from toolkit.runtime.arguments import checked
from toolkit.runtime.progress import Progress, choose_progress
from toolkit.statistics.arrays import shares
from toolkit.storage.artifacts import artifacts_folder
from toolkit.storage.files import (
    DIGEST_BYTES,
    digest_bytes,
    digest_of,
    folder_name,
    natural_key,
    safe_name,
)
from toolkit.storage.names import names_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in their places, on disk or elsewhere, with their labels.

    Attributes:
        name: folder name under ``artifacts/datasets``.
        root: folder that ``files`` are relative to.
        ids: image ids in natural order.
        files: place of each image: a path relative to ``root``, also into a tar, Parquet or Arrow
            file below it, or an address; see :mod:`toolkit.images.places`.
        labels: label names, sorted.
        Y: ``(n, L)``: 1 where the image carries the label, 0 where not, -1 where nobody knows;
            ``int8``.
        digests: ``uint8 (n, 16)``, BLAKE2b of each file's bytes.
        stats: ``int64 (n, 2)``, size in bytes and modification time in nanoseconds at import, of
            the file that an image is or is in; of an address, its size and 0.
        shapes: ``int32 (n, 2)``, width and height in pixels; 0 where the header is unreadable.
        modes: Pillow's mode of each image ("RGB", "L", ...); empty where unreadable.
        provenance: where the labels came from: layout, pairing, source path.
        parts: ``train``, ``validation`` or ``test`` of each image, where a split came with the
            labels: the split ``file``; else empty.
        metadata: by name, what else the labels' table says of each image, as text, for slices.
    """

    name: str
    root: Path
    ids: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[str, ...]
    Y: np.ndarray
    digests: np.ndarray
    stats: np.ndarray
    shapes: np.ndarray
    modes: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    metadata: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the invariants that every later stage relies on."""
        n, width = len(self.ids), len(self.labels)
        if n == 0 or width == 0:
            raise DataError(f"data set {self.name} has no images or no labels: add some")
        wanted = ((n, width), (n, DIGEST_BYTES), (n, 2), (n, 2), (n,), (n,))
        found = tuple(np.shape(array) for array in (self.Y, self.digests, self.stats, self.shapes))
        if (*found, (len(self.files),), (len(self.modes),)) != wanted:
            raise DataError(f"data set {self.name}: images, labels and digests differ in number")
        if any(len(cells) != n for cells in self.metadata.values()):
            raise DataError(f"data set {self.name}: images and metadata differ in number")
        if list(self.labels) != sorted(set(self.labels)) or not (
            self.Y.max() <= 1 and self.Y.min() >= -1
        ):
            raise DataError(f"data set {self.name}: labels repeat, are unsorted or not 0 and 1")
        if any(first >= second for first, second in pairwise(map(natural_key, self.ids))):
            raise DataError(f"data set {self.name}: ids repeat or are not in natural order")
        object.__setattr__(self, "Y", np.asarray(self.Y).astype(np.int8, copy=False))

    @classmethod
    @checked
    def read(
        cls,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        format: str | None = None,
        image_column: str | None = None,
        labels: str | Sequence[str] | None = None,
        label_prefix: str | None = None,
        separator: str | None = None,
        header: bool = True,
        absent: str | None = None,
        missing: str = "error",
        root: str | os.PathLike[str] | None = None,
        annotations: str | None = None,
        pairing: str = "by-id",
        progress: Any = None,
    ) -> Dataset:
        """Read images with labels; the images stay where they are.

        Args:
            path: a folder, or a file of labels; or the address of tars or Parquet files, such as
                ``s3://photos/{000..003}.tar``: see docs/formats.md.
            name: of the data set; by default made from the path.
            format: ``csv`` (any table), ``coco``, ``voc``, ``yolo``, ``fiftyone``,
                ``label-studio``, ``cvat``, ``labelme``, ``via``, ``huggingface`` (columns of
                images), ``webdataset`` (tars), ``celeba``, ``nus-wide``, ``imagefolder`` or
                ``folder`` (of label files), where that cannot be seen from the path.
            image_column: column of a table that names images, where it has no usual name, or key
                of COCO's images, such as ``coco_url``.
            labels: columns of a table that are labels, or the one that holds lists of them.
            label_prefix: what the names of label columns begin with; it is taken off.
            separator: between labels in a list, such as ``|``.
            header: whether a CSV file begins with the names of its columns; where not, they go by
                their numbers, from 1.
            absent: what it means that a label is not given for an image, ``no`` or ``unknown``; by
                default what the format says.
            missing: ``error``, or ``skip`` to leave out listed images that are not there.
            root: folder that holds the images, where they do not lie beside the labels; for tables,
                columns of paths, COCO, VOC, YOLO and the exports of annotation tools.
            annotations: ``relevant`` or ``potential``, for MIRFLICKR-25000's own files.
            pairing: ``by-id``, or ``published`` to repeat the paper's fault on purpose.
            progress: see :func:`~toolkit.runtime.progress.choose_progress`.

        Raises:
            DataError: images and labels cannot be joined.
            UsageError: an option is not among its choices, or not for the format.
        """
        options = Options(
            annotations=annotations,
            image_column=image_column,
            labels=tuple(names_of(labels)),
            label_prefix=label_prefix,
            separator=separator,
            header=header,
            absent=absent,
            missing=missing,
            root=None if root is None else Path(root).absolute(),
        )
        where = data_path(path)
        safe = folder_name(where) if name is None else safe_name(name, "data set name")
        progress = choose_progress(progress)
        if isinstance(where, str):
            progress.say(f"reading what lies at {where}; tars are read through, once")
        with progress.task("reading images") as task:
            found = read_labelled(
                where,
                format=format,
                options=options,
                pairing=pairing,
                on_progress=task.advance,
            )
        remarks = list(found.remarks)
        if found.passed_over:
            remarks.append(f"warning: not image files, left out: {listed(found.passed_over)}")
        dataset = cls(name=safe, root=found.root, **found.columns)
        dataset._say(remarks, progress)
        return dataset

    def _say(self, remarks: Iterable[str], progress: Progress) -> None:
        """Say what was found, and which images cannot be read."""
        for remark in remarks:
            progress.say(remark)
        unreadable = [i for i, mode in zip(self.ids, self.modes, strict=True) if not mode]
        if unreadable:
            many = counted(len(unreadable), "image")
            progress.say(f"warning: {many} unreadable ({listed(unreadable)})")

    @classmethod
    @checked
    def from_frame(
        cls,
        frame: pd.DataFrame,
        image: str | None = None,
        labels: Sequence[str] | str | None = None,
        *,
        ids: str | None = None,
        separator: str | None = None,
        absent: str | None = None,
        missing: str = "error",
        root: str | os.PathLike[str] | None = None,
        name: str = "frame",
        progress: Any = None,
    ) -> Dataset:
        """Make a data set of a table in memory; the images stay where they are.

        Args:
            frame: one row per image.
            image: the column with the place of each image: a path, also into a tar, Parquet or
                Arrow file, or an address; by default ``image`` or another usual name (see
                docs/formats.md), or ``path`` of a frame that :meth:`to_frame` gave, whose column
                ``image`` holds the ids.
            labels: columns of yes and no, one per label (by default those that look so); or the
                name of one column that holds the labels of each image, as lists or as text such as
                ``cat|dog``.
            ids: the column of ids; by default they are made from the places.
            separator: between labels in such a text; by default guessed.
            absent: what blank cells and labels that are not listed mean: ``no`` or ``unknown``.
            missing: ``error``, or ``skip`` to leave out images that are not there.
            root: folder that relative paths start from; by default the working directory.
            name: of the data set.
            progress: see :func:`~toolkit.runtime.progress.choose_progress`.

        Raises:
            DataError: a column is missing, a cell is neither yes, no nor unknown, an image is not
                there or is listed twice.
        """
        base = Path.cwd() if root is None else root
        progress = choose_progress(progress)
        options = Options(
            image_column=image,
            labels=names_given(labels),
            separator=separator,
            absent=absent,
            missing=missing,
        )
        found = read_frame(frame, options, base, ids)
        provenance = {"layout": "frame", "annotations": None, "pairing": "by-id", "source": name}
        with progress.task("reading images", len(found.files)) as task:
            taken = take_in(found, missing, provenance, task.advance)
        dataset = cls(name=safe_name(name, "data set name"), root=taken.root, **taken.columns)
        dataset._say(taken.remarks, progress)
        return dataset

    @classmethod
    @checked
    def synthetic(
        cls,
        images: int = IMAGES,
        name: str = SYNTHETIC,
        *,
        seed: int = 0,
        artifacts: str | os.PathLike[str] | None = None,
        progress: Any = None,
    ) -> Dataset:
        """Paint a data set with the paper's labels and prevalences.

        The pictures are kept under the artifacts folder; those that are there are not painted anew.

        Args:
            images: how many.
            name: of the data set.
            seed: of all that is random.
            artifacts: where everything is kept; see
                :func:`~toolkit.storage.artifacts.artifacts_folder`.
            progress: see :func:`~toolkit.runtime.progress.choose_progress`.

        Raises:
            UsageError: there cannot be so many images.
        """
        progress = choose_progress(progress)
        place = artifacts_folder(artifacts) / "datasets" / safe_name(name, "data set name")
        painted_folder(place / "source", images, seed, progress)
        return cls.read(place / "source", name, progress=progress)

    @property
    def unknown(self) -> np.ndarray:
        """Share of images for which each label is unknown, ``float (L,)``."""
        return np.asarray((self.Y < 0).mean(axis=0))

    def carried(self, row: int) -> str:
        """Return the labels that an image is known to carry, in words."""
        values = self.Y[row]
        names = [name for name, value in zip(self.labels, values, strict=True) if value == 1]
        return ", ".join(names) or ("no label that is known" if (values < 0).any() else "no label")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Return what matters in two or three lines."""
        each = zip(self.labels[:6], shares(self.Y), strict=False)
        known = ", ".join(f"{label} {share:.1%}" for label, share in each)
        more = f" and {len(self.labels) - 6} more" if len(self.labels) > 6 else ""
        more += f"; {self.unknown.mean():.1%} of cells unknown" if (self.Y < 0).any() else ""
        kept = f"\nmetadata, not labels: {listed(self.metadata, 12)}" if self.metadata else ""
        return (
            f"Dataset {self.name!r}: {counted(len(self), 'image')} in {self._home}\n"
            f"{counted(len(self.labels), 'label')}: {known}{more}{kept}"
        )

    @property
    def _home(self) -> str:
        elsewhere = all(map(is_address, self.files))
        return str(self.provenance.get("source", self.root) if elsewhere else self.root)

    def _repr_html_(self) -> str:
        counts = (self.Y == 1).sum(axis=0).tolist()
        each = zip(self.labels, counts, shares(self.Y).tolist(), strict=True)
        rows = [(label, count, f"{share:.2%}") for label, count, share in each]
        return html_table(["label", "positives", "prevalence"], rows, repr(self).split("\n")[0])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per image, which :meth:`from_frame` takes back, rows changed or left out.

        The columns are ``image`` (the id), ``path``, ``split`` where one came with the labels, one
        per label (1, 0, or -1 for unknown) and ``metadata.NAME`` for what else is known.
        """
        import pandas as pd

        columns: dict[str, Any] = {"image": self.ids, "path": self.paths}
        columns |= {split_column(self.labels): self.parts} if self.parts else {}
        columns |= zip(self.labels, self.Y.T, strict=True)
        columns |= {METADATA + name: cells for name, cells in self.metadata.items()}
        return pd.DataFrame(columns)

    def export(self, out: str | os.PathLike[str], **options: Any) -> Any:
        """Write the labels to a file that other tools read; see :func:`toolkit.export_data`."""
        import toolkit

        return toolkit.export_data(self, out=out, **options)

    @cached_property
    def digest(self) -> str:
        """Digest over ids, image content, label names and labels; not over places or times."""
        yes, unknown = self.Y == 1, self.Y < 0
        return digest_of(
            *(self.ids, self.labels, self.digests.tobytes().hex()),
            *(np.packbits(each).tobytes().hex() for each in (yes, unknown)[: 1 + unknown.any()]),
        )

    @cached_property
    def paths(self) -> list[str]:
        """Place of each image as text, understood wherever paths of images are taken.

        An absolute path; ``/shards/000.tar/im1.jpg`` in a tar; ``/train.parquet/image/17`` for a
        row of a column; an address as it is.
        """
        root = str(self.root)
        return [place_under(root, file) for file in self.files]

    def changed_since_import(self) -> list[int]:
        """Return the rows whose image now has other content than when it was imported.

        An image is read again only where the size or time of its file differ, so that 18,000
        unchanged images cost about 0.1 s. One that is missing or cannot be read counts as changed.
        Addresses are not asked: their content is checked when they are read.
        """
        changed = []
        noted = list(map(tuple, self.stats.tolist()))
        for row in reading_order(self.files).tolist():
            try:
                now = stamp(self.paths[row])
                if now not in (None, noted[row]) and (
                    digest_bytes(read_place(self.paths[row])) != self.digests[row].tobytes()
                ):
                    changed.append(row)
            except OSError:  # it is missing, a folder, or may not be read
                changed.append(row)
        return sorted(changed)

    def require_unchanged(self) -> None:
        """Raise DataError if any image file changed or went away after import."""
        changed = self.changed_since_import()
        if changed:
            raise DataError(
                f"{counted(len(changed), 'image')} of data set {self.name} changed or went "
                f"missing since the import ({listed(self.files[row] for row in changed)}): "
                "run 'toolkit data import' again (embeddings of unchanged images are kept)"
            )
