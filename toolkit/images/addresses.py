"""Addresses: what lies elsewhere, whole or in parts, through fsspec; what may pass is tried again.

Tars and columns at addresses are read by ranges of bytes: whoever serves them must give these.
"""

from __future__ import annotations

import errno
import io
import itertools
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from toolkit.errors import DataError

TRIES = 4
PAUSE = 0.5  # seconds before the second try; doubled before each further one
TIMEOUT = 60.0  # seconds for one try, and as much more as SLOWEST says
SLOWEST = 1 << 20  # bytes a second
READ = 8 << 20  # bytes that are asked for at a time where a file is read from end to end
AHEAD = 2  # such reads under way before they are wanted
PACKED = (".tar", ".parquet")  # what holds images and is read at an address
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BRACKETS = re.compile(r"\[[^\]]*\]")  # of IPv6
_BRACES = re.compile(r"\{([^{}]*)\}")
_COUNT = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 100_000  # files that a pattern may stand for
_AGAIN = (408, 425, 429)  # of HTTP's refusals, those that may be granted later
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
T = TypeVar("T")


def is_address(place: str) -> bool:
    """Tell whether a place is an address.

    >>> is_address("s3://bucket/a.jpg"), is_address("C://a.jpg"), is_address("a/b.jpg")
    (True, False, False)
    """
    return _ADDRESS.match(place) is not None


def is_local(address: str) -> bool:
    """Tell whether an address leads to a file of this machine, or may by way of another.

    A table from elsewhere must not lead out of its folder, so such addresses are not opened.

    >>> is_local("file:///etc/passwd"), is_local("zip://a.jpg::/b.zip"), is_local("http://[::1]/a")
    (True, True, False)
    """
    kind, _, rest = address.partition("://")
    return kind.lower() in ("file", "local") or "::" in _BRACKETS.sub("", rest)


def fetched(
    address: str, start: int | None = None, stop: int | None = None, *, whole: bool = True
) -> bytes:
    """Return what lies at an address, or its bytes from ``start`` to before ``stop``.

    Args:
        address: where it lies.
        start: the first byte.
        stop: the one after the last.
        whole: whether fewer bytes are an error, or the file may end before ``stop``.

    Raises:
        OSError: it cannot be had; it was tried several times, unless the answer is final.
        DataError: what opens this kind of address is not installed.
    """
    system, path = _system(address)
    if start is None or stop is None:
        return bytes(_tried(address, 0, system, lambda **how: system.cat_file(path, **how)))
    wanted = stop - start
    if not wanted:
        return b""

    def part(**how: Any) -> bytes:
        data = bytes(system.cat_file(path, start=start, end=stop, **how))
        if len(data) > wanted:
            what = "whoever serves it gives no parts of files, which are needed: download it"
            raise OSError(errno.EOPNOTSUPP, what, address)
        if len(data) < wanted and whole:
            raise EOFError(f"it ends, or broke off, {wanted - len(data):,} bytes too early")
        return data

    return _tried(address, wanted, system, part)


def size_of(address: str) -> int:
    """Return how many bytes lie at an address.

    Raises:
        OSError: that cannot be had, or whoever serves it does not say.
    """
    system, path = _system(address)
    system.invalidate_cache()  # of listings; a file may have been written anew
    known = _tried(address, 0, system, lambda **how: system.info(path, **how))
    size = known.get("size")
    if known.get("type") == "directory":
        raise OSError(errno.ENOENT, "a folder is there, and no file", address)
    if not isinstance(size, int):
        what = "whoever serves it does not say how large it is, which is needed: download it"
        raise OSError(errno.EOPNOTSUPP, what, address)
    return size


def addresses_of(pattern: str) -> list[str]:
    """Return the addresses that a pattern stands for, each once, in its order.

    Braces count (``{000..003}``) or list (``{a,b}``); ``*`` is any text of a name, ``**`` of names;
    what has no ending, or a slash at its end, is a folder, and stands for the tars and Parquet
    files below it.

    >>> addresses_of("s3://photos/{train,val}-{09..10}.tar")[1:3]
    ['s3://photos/train-10.tar', 's3://photos/val-09.tar']

    Raises:
        DataError: nothing is there, or it cannot be listed.
    """
    found = []
    for each in _braced(pattern):
        bare = each.rstrip("/")
        if "*" not in each and re.search(r"\.\w+$", each.rpartition("/")[2]):
            found.append(each)
            continue
        system, path = _system(bare)
        try:
            system.invalidate_cache()
            if "*" in each:
                names = _tried(each, 0, system, lambda s=system, p=path, **_: s.glob(p))
            else:
                names = _tried(each, 0, system, lambda s=system, p=path, **_: s.find(p))
                names = [name for name in names if str(name).lower().endswith(PACKED)]
        except OSError as error:
            raise DataError(f"{each} cannot be listed: {error.strerror}") from error
        if not names:
            raise DataError(f"{each}: expected tars or Parquet files, found none")
        kind = each.partition("://")[0]
        found += [n if is_address(n) else f"{kind}://{n.lstrip('/')}" for n in map(str, names)]
    return list(dict.fromkeys(found))


def _braced(pattern: str) -> list[str]:
    """Write out what braces stand for, the last ones changing fastest."""
    parts = _BRACES.split(pattern)  # text, inside of braces, text, ...
    choices = [[part] if at % 2 == 0 else _choices(part) for at, part in enumerate(parts)]
    if "{" in "".join(parts[::2]) or "}" in "".join(parts[::2]):
        raise DataError(f"{pattern}: expected braces such as {{000..003}} or {{a,b}}, not nested")
    count = 1
    for each in choices:
        count *= len(each)
    if count > _MOST:
        raise DataError(f"{pattern} stands for {count:,} files: expected {_MOST:,} at most")
    return ["".join(each) for each in itertools.product(*choices)]


def _choices(inside: str) -> list[str]:
    counted = _COUNT.fullmatch(inside)
    if counted is None:
        return inside.split(",")
    first, last = counted.groups()
    numbers = range(int(first), int(last) + 1)
    if not numbers or len(numbers) > _MOST:
        raise DataError(
            f"{{{inside}}}: expected a number up to a larger one, {_MOST:,} in all at most"
        )
    return [str(number).zfill(len(first)) for number in numbers]


class Remote(io.RawIOBase):
    """A file at an address, to be read by ranges.

    Args:
        address: where it is.
        ahead: whether it is read from end to end, so that what follows is asked for early; else
            each read asks for what it wants.

    Raises:
        OSError: it cannot be had.
    """

    def __init__(self, address: str, ahead: bool = False) -> None:
        self.address = address
        self.size = size_of(address)
        self._at = 0
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._pool = ThreadPoolExecutor(AHEAD, "ahead") if ahead else None

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return where it is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Say where it is read next."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the file goes; return how far."""
        start, stop = self._at, min(self.size, self._at + len(buffer))
        if stop <= start:
            return 0
        if self._pool is None:
            buffer[: stop - start] = fetched(self.address, start, stop)
        else:
            stop = min(stop, (start // READ + 1) * READ)  # of one block
            offset = start % READ
            buffer[: stop - start] = self._block(start // READ)[offset : offset + stop - start]
        self._at = stop
        return stop - start

    def close(self) -> None:
        """Ask for nothing more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._blocks.clear()
        super().close()

    def _block(self, number: int) -> bytes:
        assert self._pool is not None
        for at in range(number, number + 1 + AHEAD):
            if at not in self._blocks and at * READ < self.size:
                end = min(self.size, (at + 1) * READ)
                self._blocks[at] = self._pool.submit(fetched, self.address, at * READ, end)
        for at in [at for at in self._blocks if at < number - 1]:
            del self._blocks[at]
        return self._blocks[number].result()


def _tried(address: str, size: int, system: Any, ask: Callable[..., T]) -> T:
    """Ask for something; what may pass is asked again, after longer and longer pauses."""
    seconds = TIMEOUT + size / SLOWEST
    waiting = {"timeout": seconds} if getattr(system, "async_impl", False) else {}
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return ask(**waiting)
        except Exception as error:  # each kind of address has its own
            reason = _reason(error, address, seconds)
    raise OSError(errno.EIO, f"{reason}, tried {TRIES} times", address)


def _reason(error: Exception, address: str, seconds: float) -> str:
    """Return why something failed that may pass; raise OSError for what is final."""
    if isinstance(error, FileNotFoundError):
        cause = error.__cause__  # fsspec says so of every HEAD of HTTP's that failed
        of_http = type(cause).__module__.partition(".")[0] == "aiohttp"
        if not isinstance(cause, Exception) or not (of_http or isinstance(cause, OSError)):
            raise OSError(errno.ENOENT, "nothing is there", address) from error
        if getattr(cause, "status", None) in (404, 410):
            raise OSError(errno.ENOENT, "nothing is there", address) from error
        error = cause
    if isinstance(error, PermissionError | IsADirectoryError):
        said = error.strerror or str(error)
        what = f"may not be read ({said[:120]})" if said else "may not be read"
        raise OSError(error.errno or errno.EACCES, what, address) from error
    if isinstance(error, OSError) and error.errno == errno.EOPNOTSUPP:
        raise error
    if type(error).__name__ in _NO_CREDENTIALS:
        what = "no credentials were found for it: set them in the environment"
        what += ", or FSSPEC_S3_ANON=true for what is public" if address[:5] == "s3://" else ""
        raise OSError(errno.EACCES, what, address) from error
    status = getattr(error, "status", None)
    if isinstance(status, int):
        reason = f"the server answered {status}"
        if 400 <= status < 500 and status not in _AGAIN:
            raise OSError(errno.EACCES, reason, address) from error
        return reason
    if type(error).__name__ == "FSTimeoutError":
        return f"no answer in {seconds:.3g} s"
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__


def _system(address: str) -> tuple[Any, str]:
    kind = address.partition("://")[0]
    if is_local(address):
        raise DataError(f"{address}: expected a path for a file of this machine, found an address")
    extra = "pip install 'toolkit[remote]', for s3:// with s3fs and for gs:// with gcsfs"
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise DataError(f"{address} cannot be opened, fsspec is not installed: {extra}") from error
    # of HTTP, proxies are those of the environment, as in all downloads
    options = {"client_kwargs": {"trust_env": True}} if kind.lower() in ("http", "https") else {}
    try:
        system, path = url_to_fs(address, **options)
    except ImportError as error:
        text = (str(error).splitlines() or [""])[0]
        raise DataError(f"{address} cannot be opened ({text}): {extra}") from error
    except Exception as error:  # each kind has its own
        raise DataError(
            f"{address}: {kind}:// is no kind of address that fsspec opens ({error!r:.80})"
        ) from error
    return system, str(path)
