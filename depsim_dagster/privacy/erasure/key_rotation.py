"""Rotation of the study's key: what it keeps, and which keys have to be there.

Pseudonyms, surrogates, marks of the gates and the list of the erased hang on the key (`deidentification.hmac_key_env`).
To rotate it, put the old value into the variable with `_PREVIOUS` behind the name (before older ones, with a comma
between) and a new one into the variable itself. From then on:

- a week that is sampled again has pseudonyms and surrogates of the new key, in all of its rows; weeks published before
  keep theirs, and the marks of their gates stay valid. One person who is in weeks of both is two clusters to an
  interval over both;
- a request to forget somebody, or a withdrawn consent, is looked up under all keys;
- nobody who was erased under an old key is sampled under the new one: where the logs are read, every key is tried.

An old key is needed as long as the store is: rows of every table may have been made under it. A command that would be
wrong without it stops and names the variable. A new store needs the new key alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from depsim_dagster.config import StudyConfig
from depsim_dagster.durable_files import exclusive, write_atomically
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.traffic.pseudonyms import derived_key

KEYS_FILE = "_keys.json"
PREVIOUS = "_PREVIOUS"


def fingerprint(key: bytes) -> str:
    """Which key, without anything of it: 64 bits that were derived from it, in hex."""
    return derived_key(key, "fingerprint").hex()[:16]


def remember_key(store: Path, key: bytes) -> None:
    """Note that rows of this store may have been made under this key."""
    known, own = keys_used(store), fingerprint(key)
    if own not in known:
        with exclusive(store):
            write_atomically(store / KEYS_FILE, json.dumps(sorted(keys_used(store) | {own})).encode())


def keys_used(store: Path) -> set[str]:
    """Fingerprints of the keys under which rows of this store were made."""
    try:
        return set(json.loads((store / KEYS_FILE).read_bytes()))
    except FileNotFoundError:
        return set()
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{store / KEYS_FILE}: damaged; it lists the fingerprints of the keys of this store. Restore it from a "
            "backup, or delete it when the key was never rotated"
        ) from None


def require_keys(study: StudyConfig, needed: Iterable[str], what: str) -> None:
    """Refuse to go on without a key on which `what` depends.

    Raises:
        ConfigurationError: a key is needed that is neither the study's nor a previous one; names the variable.
    """
    absent = sorted(set(needed) - {fingerprint(key) for key in study.hmac_keys})
    if absent:
        variable = study.deidentification.hmac_key_env
        raise ConfigurationError(
            f"{study.file}: deidentification.hmac_key_env: {what} under another key (fingerprint "
            f"{', '.join(absent)}); set {variable}{PREVIOUS} to the key that was used then"
        )
