"""A log file opened: what it is by its content, decompressed as a stream, and whether it changed meanwhile.

A name may lie about its ending, so magic bytes decide. A file that is damaged as a whole is one TrafficError that names
it; messages of the libraries that read it are never repeated.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from backports import zstd  # Arrow's own reader takes a stream that breaks off for one that ends

from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.log_files import shown

BLOCK = 1 << 20
LARGEST_COMPRESSED_PARQUET = 512 * 1024 * 1024  # bytes; it is read from its end, so it must be held whole

Compression = Literal["none", "gzip", "bz2", "xz", "zstd"]

_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
PARQUET_MAGIC = b"PAR1"
# What the libraries raise for a stream that is damaged or breaks off.
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError)


class LogFile:
    """One log file, open for reading. `content` is the SHA-256 of its bytes."""

    def __init__(self, path: Path, raw: BinaryIO):
        self.path, self._raw = path, raw
        self.state = file_state(os.fstat(raw.fileno()))
        self.size = os.fstat(raw.fileno()).st_size
        self.compression: Compression = next(
            (name for magic, name in _MAGIC if self._start().startswith(magic)), "none"
        )

    @property
    def name(self) -> str:
        return shown(self.path)

    def content(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        self._raw.seek(0)
        with self.reading():
            return hashlib.file_digest(self._raw, "sha256").hexdigest()

    def stream(self) -> _Stream:
        """The decompressed bytes from the start."""
        self._raw.seek(0)
        return _Stream(self, _decompressed(self._raw, self.compression))

    def random_access(self) -> BinaryIO:
        """The decompressed bytes for a reader that begins at the end.

        Raises:
            TrafficError: it is compressed and too large to be held.
        """
        if self.compression == "none":
            self._raw.seek(0)
            return self._raw
        stream, blocks, size = self.stream(), [], 0
        while block := stream.read(BLOCK):
            blocks.append(block)
            size += len(block)
            if size > LARGEST_COMPRESSED_PARQUET:
                raise TrafficError(
                    f"{self.name}: Parquet of more than {LARGEST_COMPRESSED_PARQUET >> 20} MiB inside of {self.compression}; "
                    "unpack it (Parquet is compressed inside)"
                )
        return io.BytesIO(b"".join(blocks))

    def demand_unchanged(self) -> None:
        """Raises TrafficError where the file was written to, or replaced, since it was opened."""
        with self.reading():
            now = file_state(os.stat(self.path))
        if now != self.state:
            raise TrafficError(
                f"{self.name}: was changed while it was read; run again when it is complete (rotate a log before it is read)"
            )

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Around reads: what says that the file is damaged becomes an error that names it."""
        try:
            yield
        except _DAMAGED as error:  # the message may quote what was read
            raise TrafficError(
                f"{self.name}: cannot be read to its end ({type(error).__name__}); the file is damaged or cut off, "
                "export it again or take it out of the logs"
            ) from None

    def _start(self) -> bytes:
        self._raw.seek(0)
        with self.reading():
            return self._raw.read(8)


class _Stream:
    """Bytes of a log file whose damage is told with the file's name."""

    def __init__(self, log: LogFile, decompressed: BinaryIO):
        self._log, self._decompressed = log, decompressed

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        with self._log.reading():
            return self._decompressed.read(size)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[LogFile]:
    """A log file, open.

    Raises:
        TrafficError: it cannot be opened.
    """
    try:
        raw = open(path, "rb")
    except OSError as error:
        raise TrafficError(
            f"{shown(path)}: cannot be opened ({error.strerror}); correct its permissions or take it out of the logs"
        ) from None
    with raw:
        yield LogFile(path, raw)


def file_state(status: os.stat_result) -> str:
    """What the file system says of a file's content: a write or a replacement changes it."""
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _decompressed(raw: BinaryIO, compression: Compression) -> BinaryIO:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if compression == "bz2":
        return bz2.BZ2File(raw)  # type: ignore[return-value]
    if compression == "xz":
        return lzma.LZMAFile(raw)  # type: ignore[return-value]
    if compression == "zstd":
        return zstd.ZstdFile(raw)  # type: ignore[return-value]
    return raw
