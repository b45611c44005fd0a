"""Files that survive a killed process and a second writer: atomic replacement, content digests and folder locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def file_digest(file: Path | BinaryIO) -> str:
    """SHA-256 of a file's bytes, in hex. An open file is read from where it stands and left at its start."""
    if isinstance(file, Path):
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        fsync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def create_once(path: Path, content: bytes) -> None:
    """Write beside and link into place: the file is there whole or not at all, and never replaces another.

    Raises:
        FileExistsError: it is there already.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        fsync(temporary)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP):
                raise
            # A file system without hard links; the caller's lock keeps other writers out.
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            os.replace(temporary, path)
        fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Have the file, or the entries of the folder, on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """One holder at a time of a folder, among threads and processes; a process that dies lets go of it."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def create_held(path: Path) -> BinaryIO:
    """A new file that `remove_abandoned` spares for as long as the returned object, and its process, live."""
    file = open(path, "xb")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def remove_abandoned(directory: Path, pattern: str) -> None:
    """Remove the files of a folder that no writer holds."""
    for path in directory.glob(pattern):
        # Not there any more: its writer has published it, or another has removed it.
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)
