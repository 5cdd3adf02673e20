"""The verb predict: new images scored with a member, an ensemble or an exported model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from toolkit.data.dataset import Dataset
from toolkit.errors import check_choice
from toolkit.features.engines.choose import ENGINES
from toolkit.inference.given import Given
from toolkit.inference.model import Scored, open_model
from toolkit.members.member import Member
from toolkit.runtime.arguments import checked


@checked
def predict(
    images: Given | Dataset,
    model: Member | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    binary: bool = False,
    course_tsv: bool = False,
    engine: str = "auto",
    device: str = "auto",
    on: str = "here",
    artifacts: str | os.PathLike[str] | None = None,
    progress: Any = None,
) -> Scored:
    """Score new images with a member or an ensemble; embeddings go through the cache.

    Args:
        images: a folder, an image file, a CSV file with a column of images, a picture of Pillow's,
            a ``uint8 (h, w, 3)`` array; several of these; or a data set.
        model: a member, the name of one, or a folder that :func:`toolkit.export` wrote.
        out: CSV or Parquet file by its ending, written as scores come; None to keep them in memory.
        binary: 0 and 1 at the tuned thresholds in place of probabilities.
        course_tsv: write image numbers and 0/1 labels, tab-separated (.tsv).
        engine: ``auto``, ``openvino`` or ``torch``, for embeddings.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        on: where the work runs: ``here``, ``ray``, or ``ray://host:port`` for a cluster that is up;
            there embeddings that the cache lacks are computed and not kept.
        artifacts: where everything is kept.
        progress: where progress is shown; see :func:`~toolkit.runtime.progress.choose_progress`.

    Raises:
        UsageError: there is no such model, what was given is no image, or none of it is there.
        DataError: a folder has no images, a list is broken, or a picture in memory is none.
        WeightsError: a backbone's weights are not those that the model learned on.
        MemberError: a member is not the one any more that an ensemble learned on.
        ClusterError: the cluster cannot be had, or lost work too often.
    """
    check_choice("engine", engine, ENGINES)
    opened = open_model(model, engine=engine, device=device, artifacts=artifacts)
    return opened.score(
        images.paths if isinstance(images, Dataset) else images,
        out=None if out is None else Path(out),
        binary=binary,
        course_tsv=course_tsv,
        on=on,
        progress=progress,
    )
