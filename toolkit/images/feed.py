"""Feed: read, check, decode and resize images in threads, and cut them into full batches."""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from toolkit.images.addresses import is_address
from toolkit.images.places import connections
from toolkit.images.preprocess import Preprocess
from toolkit.images.sources import Image, Images
from toolkit.runtime.processor import cores

GROUP = 32
_HELD_BYTES = 32 << 20
Decoded = tuple[list[bytes], np.ndarray, dict[str, str]]
Batch = tuple[list[bytes], list[np.ndarray], dict[str, str]]


def batches(
    images: Images | Sequence[Image],
    rows: np.ndarray,
    batch: int,
    chunk: int,
    preprocess: Preprocess,
    ahead: int,
    *,
    processes: int = 0,
) -> Generator[Batch]:
    """Decode images in order, in threads, some groups ahead of their use; close it after an error.

    What is at addresses is fetched by many more threads, which wait while others decode.

    Args:
        images: where to find them.
        rows: ``int64 (m,)``, which of them.
        batch: rows of a full batch.
        chunk: no batch reaches over a multiple of this many images.
        preprocess: gives size and crop.
        ahead: images to hold decoded at most, about.
        processes: how many decode, if not threads; see
            :func:`~toolkit.images.decoding_processes.processes_for`.

    Yields:
        Digests of a batch; its pixels ``uint8 (b, size, size, 3)`` in the blocks they were decoded
        in, which whoever uses them puts where they belong; and the reasons for images that could
        not be decoded.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
    """
    group = min(batch, GROUP)
    if processes:
        from toolkit.images.decode import fast_jpeg_decoder
        from toolkit.images.decoding_processes import decoded_by_processes

        fast_jpeg_decoder()  # found once, for all that are forked
        groups = [rows[at : at + group].tolist() for at in range(0, len(rows), group)]
        work = partial(_decode_rows, images, preprocess=preprocess)
        found = decoded_by_processes(work, groups, processes, max(1, ahead // group))
        with decoding(), closing(found):
            yield from _regrouped(found, batch, chunk)
        return
    starts = iter(range(0, len(rows), group))
    under_way: deque[Future[Decoded]] = deque()
    fetchers = None
    files = images.files if isinstance(images, Images) else [each.path for each in images]
    if any(map(is_address, files)):
        fetchers = ThreadPoolExecutor(connections(files), "fetch")
    with decoding(), ThreadPoolExecutor(cores(), "decode", _use_one_thread) as readers:

        def begin(groups: int) -> None:
            for start in itertools.islice(starts, groups):
                some = rows[start : start + group].tolist()
                if fetchers is None:
                    under_way.append(readers.submit(_decode_rows, images, some, preprocess))
                else:
                    part = [images[row] for row in some]
                    data = [fetchers.submit(image.read) for image in part]
                    under_way.append(readers.submit(_decode_fetched, part, data, preprocess))

        def decoded() -> Iterator[Decoded]:
            begin(max(1, ahead // group))
            while under_way:
                yield under_way.popleft().result()
                begin(1)

        try:
            yield from _regrouped(decoded(), batch, chunk)
        finally:
            if fetchers is not None:
                fetchers.shutdown(wait=False, cancel_futures=True)
            readers.shutdown(wait=False, cancel_futures=True)


def _decode_rows(
    images: Images | Sequence[Image], rows: list[int], preprocess: Preprocess
) -> Decoded:
    return decode_group([images[row] for row in rows], preprocess)


def _decode_fetched(
    images: Sequence[Image], data: Sequence[Future[bytes]], preprocess: Preprocess
) -> Decoded:
    there = [replace(image, data=each.result()) for image, each in zip(images, data, strict=True)]
    return decode_group(there, preprocess)


def decode_group(images: Sequence[Image], preprocess: Preprocess) -> Decoded:
    """Read, check, decode, resize and crop a few images.

    Returns:
        Digests and pixels ``uint8 (b, size, size, 3)`` of those that could be decoded, and the
        reasons for the others by hexadecimal digest.

    Raises:
        DataError: an image is gone, or its content is not what its digest says.
    """
    from toolkit.images.decode import UndecodableError, decode

    digests, reasons = [], {}
    held, cropped = [], []
    for image in images:
        data = image.read()
        try:
            held.append(decode(data, preprocess.resize))
            digests.append(image.digest)
        except UndecodableError as error:
            reasons[image.digest.hex()] = str(error)
        if sum(tensor.numel() for tensor in held) > _HELD_BYTES:
            cropped.append(preprocess.batch(held))
            held = []
    cropped.append(preprocess.batch(held))
    return digests, np.concatenate(cropped) if len(cropped) > 1 else cropped[0], reasons


def joined(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Return blocks that follow each other as one array; a single one as it is."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _regrouped(groups: Iterable[Decoded], batch: int, chunk: int) -> Iterator[Batch]:
    """Make every batch full, except the last of each chunk and of all."""
    digests: list[bytes] = []
    held: list[np.ndarray] = []
    reasons: dict[str, str] = {}
    in_chunk = 0
    for group_digests, pixels, group_reasons in groups:
        digests += group_digests
        held.append(pixels)
        reasons |= group_reasons
        while len(digests) >= (size := min(batch, chunk - in_chunk)):
            blocks, held = _cut(held, size)
            yield digests[:size], blocks, reasons
            digests, reasons = digests[size:], {}
            in_chunk = (in_chunk + size) % chunk
    if digests or reasons:
        yield digests, held, reasons


def _cut(blocks: list[np.ndarray], size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Split blocks after so many rows; nothing is copied."""
    first: list[np.ndarray] = []
    for number, block in enumerate(blocks):
        if len(block) > size:
            cut = [block[:size]] if size else []
            return [*first, *cut], [block[size:], *blocks[number + 1 :]]
        first.append(block)
        size -= len(block)
    return first, []


@contextmanager
def decoding() -> Iterator[None]:
    """Silence what decoders warn of, and let threads made later have torch threads as before.

    What cannot be decoded is reported by image. The number of torch threads set in one thread is
    inherited by those that first use torch after it.
    """
    import torch

    before = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _use_one_thread() -> None:
    """Let torch resize within the calling thread."""
    import torch

    torch.set_num_threads(1)
