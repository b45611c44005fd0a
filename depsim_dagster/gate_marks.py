"""Marks of the gates that a partition passed, signed with a key that only the study has.

A mark says: this content of this partition of this table passed this suite, under this de-identification, at this
time, with these exceptions. The signature is an HMAC-SHA256 over all of it, so that nobody who can write to the store
can make a mark, move one to another partition, or take an exception out of it, unless he also holds the study's key.
What it does not keep out: a person with the key, whose own code can sign anything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from depsim_dagster.errors import ConfigurationError

PURPOSE = b"depsim gate marks, version 1"

Keys = Callable[[], tuple[bytes, ...]]


@dataclass(frozen=True)
class Waiver:
    """An expectation that failed and was let pass: by whom, why, and how many rows break it."""

    expectation: str
    column: str
    unexpected_rows: int | None
    approved_by: str
    reason: str


@dataclass(frozen=True)
class GateMark:
    """That one content passed one suite. `content` and `suite_version` are SHA-256 hex digests.

    `code_version` (of the package) is recorded and not demanded: a release that changes neither the suites nor the
    de-identification would otherwise make every published week unreadable. What the text went through is
    `deidentification`, a digest of its version and settings, and that is demanded. `measures` are numbers that the gate
    took beside the rows: planted details and how many of them were found, by type.
    """

    suite: str
    suite_version: str
    content: str
    code_version: str
    checked_at: str
    expectations: int
    deidentification: str = ""
    waivers: tuple[Waiver, ...] = ()
    measures: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    signature: str = ""


@dataclass(frozen=True)
class GateStandard:
    """What marks must say today: the versions of the suites, and the digest of the de-identification.

    `keys` gives the key that marks are signed with, then older ones whose marks still count. It is asked for only where
    a gated table is read or written, and may raise ConfigurationError.
    """

    suite_versions: Mapping[str, str] = field(default_factory=dict)
    deidentification: str = ""
    keys: Keys | None = None

    def signed(self, mark: GateMark, table: str, partition: Mapping[str, str]) -> GateMark:
        """The mark with its signature.

        Raises:
            ConfigurationError: there is no key.
        """
        return replace(mark, signature=_signature(self.signing_keys()[0], mark, table, partition))

    def objection(
        self, suite: str, marks: Iterable[GateMark], content: str, table: str, partition: Mapping[str, str]
    ) -> str | None:
        """Why these marks do not let the content pass this suite, or None when one does.

        The signature is judged first: nothing else that an unsigned mark says is worth repeating.

        Raises:
            ConfigurationError: there is no key.
        """
        keys, current = self.signing_keys(), self.suite_versions.get(suite, "unknown")
        found = [mark for mark in marks if mark.suite == suite]
        if not found:
            return f"it has no mark of the `{suite}` gate"
        mark = found[-1]
        if not mark.signature:
            return f"its `{suite}` mark is not signed"
        if not any(
            hmac.compare_digest(
                mark.signature.encode("utf-8", "surrogatepass"),
                _signature(key, mark, table, partition).encode(),
            )
            for key in keys
        ):
            return (
                f"its `{suite}` mark is not signed with this study's key for this partition: it was made under another "
                "key, belongs to another partition, or was changed"
            )
        if mark.content != content:
            return f"its `{suite}` mark belongs to other content"
        if mark.suite_version != current:
            return (
                f"it passed version {mark.suite_version[:12]} of the `{suite}` suite and the current one is "
                f"{current[:12]}"
            )
        if mark.deidentification != self.deidentification:
            return (
                f"its `{suite}` mark is of another version or other settings of de-identification "
                f"({mark.deidentification[:12] or 'none'}, now {self.deidentification[:12] or 'none'})"
            )
        return None

    def signing_keys(self) -> tuple[bytes, ...]:
        """The key that is signed with, then older ones that still count. Raises ConfigurationError: there is none."""
        keys = self.keys() if self.keys is not None else ()
        if not keys:
            raise ConfigurationError(
                "a gated table or the registry cannot be read or written without the study's key; open the lake through its "
                "study"
            )
        return keys


def mark_from_json(value: Mapping[str, Any]) -> GateMark:
    """A mark as a manifest holds it. Raises TypeError or ValueError where it is none."""
    waivers = tuple(Waiver(**waiver) for waiver in value.get("waivers", ()))
    measures = {str(name): tuple(map(int, numbers)) for name, numbers in value.get("measures", {}).items()}
    mark = GateMark(**{**value, "waivers": waivers, "measures": measures})
    texts = (mark.suite, mark.suite_version, mark.content, mark.deidentification, mark.signature)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a mark is made of texts")
    return mark


def _signature(key: bytes, mark: GateMark, table: str, partition: Mapping[str, str]) -> str:
    """Over canonical JSON: sorted keys, so that one mark has one encoding, and every field, so that none is free."""
    stated = {name: value for name, value in asdict(mark).items() if name != "signature"}
    signed = {"table": table, "partition": dict(partition), "mark": stated}
    message = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return hmac.new(hmac.digest(key, PURPOSE, hashlib.sha256), message, hashlib.sha256).hexdigest()
