"""A set of request ids that stays small: 16 bytes an id, where a Python set of their strings takes 180.

What is on disk already is one sorted array; what a run adds goes through a small Python set, which is merged into the
array when it has grown. Ids can be asked for and added, not listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

KEY = np.dtype("S16")
MOST_RECENT = 8192
HEX_DIGITS = np.full(256, 0xFF, dtype=np.uint8)
HEX_DIGITS[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


def id_key(text: str) -> bytes:
    """16 bytes for an id: the halves of a SHA-256 in hex, combined, and a digest of anything else. Without the zero bytes
    at its end, which NumPy drops from a value too."""
    if len(text) == 64:
        try:
            whole = bytes.fromhex(text)
        except ValueError:
            whole = b""
        if whole.hex() == text:
            first, second = int.from_bytes(whole[:16]), int.from_bytes(whole[16:])
            return (first ^ second).to_bytes(16).rstrip(b"\0")
    return hashlib.blake2b(text.encode(), digest_size=16).digest().rstrip(b"\0")


def id_keys(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """`id_key` of every value of a string column without nulls."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    digits = _digits(texts)
    if digits is not None:
        values = HEX_DIGITS[digits]
        if (values != 0xFF).all():
            combined = values[:, :32] ^ values[:, 32:]
            packed = (combined[:, 0::2] << 4) | combined[:, 1::2]
            return np.ascontiguousarray(packed).view(KEY).reshape(-1)
    return np.array([id_key(text) for text in texts.to_pylist()], dtype=KEY)


def _digits(texts: pa.Array) -> np.ndarray | None:
    """The characters of the values as a matrix, when all have 64 of them."""
    if not pa.types.is_string(texts.type) or not len(texts):
        return None
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32, count=len(texts) + 1, offset=texts.offset * 4)
    if not (np.diff(ends) == 64).all():
        return None
    text = np.frombuffer(data, dtype=np.uint8, count=64 * len(texts), offset=int(ends[0]))
    return text.reshape(-1, 64)


class IdSet:
    """Grows only. `in`, `add`, `len` and `==` are those of a set of strings."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, texts: Iterable[pa.Array] = ()) -> None:
        parts = [id_keys(part) for part in texts]
        self._sorted = np.unique(np.concatenate(parts)) if parts else np.array([], dtype=KEY)
        self._recent: set[bytes] = set()

    @classmethod
    def of_keys(cls, keys: np.ndarray) -> IdSet:
        """The set of some `id_keys`."""
        ids = cls()
        ids._sorted = np.unique(keys)
        return ids

    def __contains__(self, text: str) -> bool:
        key = id_key(text)
        return key in self._recent or self._on_record(key)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (set, frozenset)):
            return NotImplemented
        return len(self) == len(other) and all(text in self for text in other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(of {len(self)})"

    def add(self, text: str) -> bool:
        """Whether it is new."""
        key = id_key(text)
        if key in self._recent or self._on_record(key):
            return False
        self._recent.add(key)
        self._merge_when_many()
        return True

    def holds(self, texts: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Which of these ids are in it."""
        return pa.array(self.holds_keys(id_keys(texts)))

    def holds_keys(self, keys: np.ndarray) -> np.ndarray:
        """The same for ids that are keys (`id_keys`) already."""
        found = np.isin(keys, self._recent_keys()) if self._recent else np.zeros(len(keys), dtype=bool)
        if len(self._sorted):
            places = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
            found |= self._sorted[places] == keys
        return found

    def _merge_when_many(self) -> None:
        if len(self._recent) >= MOST_RECENT + len(self._sorted) // 32:
            # Two sorted runs, which a stable sort merges in one pass.
            self._sorted = np.sort(
                np.concatenate([self._sorted, np.sort(self._recent_keys())]), kind="stable"
            )
            self._recent = set()

    def _on_record(self, key: bytes) -> bool:
        place = self._sorted.searchsorted(key)
        return bool(place < len(self._sorted) and self._sorted[place] == key)

    def _recent_keys(self) -> np.ndarray:
        return np.array(list(self._recent), dtype=KEY)
