"""Keyed names for what must not stand in clear: accounts, conversations, turns, and the content of records.

Every digest here hangs on the study's HMAC key. A plain hash of an account or a prompt could be undone by trying
candidates, so there is none.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Keyed HMAC-SHA-256 of an identifier, 128 bits in hex. `kind` keeps equal ids of different kinds apart."""
    named = f"{kind}:{identifier}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, named, "sha256").hex()[:32]


def derived_key(key: bytes, label: str) -> bytes:
    """A key of 32 bytes for one purpose. It says nothing about `key` or about the keys of other purposes."""
    return hmac.digest(key, f"depsim derived key: {label}".encode(), "sha256")


def content_digest(key: bytes, label: str) -> Callable[[str], str]:
    """A keyed digest of texts (BLAKE2b, 128 bits in hex), for equality of content under one purpose."""
    keyed = hashlib.blake2b(key=derived_key(key, label), digest_size=16)

    def digest(text: str) -> str:
        state = keyed.copy()
        state.update(text.encode("utf-8", "surrogatepass"))
        return state.hexdigest()

    return digest
