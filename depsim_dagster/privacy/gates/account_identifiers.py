"""The week's own account and conversation ids, and what its user table says of them, wherever they stand in a text.

An account id can look like anything, so no pattern finds it, and the lake holds no raw id to look for: only keyed
pseudonyms. So every token of a text that could be an id is put through the same HMAC and looked up among the pseudonyms
of the week. It is used twice: as a detector, so that what is found is replaced, and at the gate, over what came out.

What it cannot see: an id shorter than `SHORTEST` characters, one with blanks or brackets in it, and one with a slash
inside of a path. An id that is an ordinary word makes that word a detail wherever it stands in the week. Names and
addresses from the log's own columns (account_attributes.py) are looked for as they stand: without blanks in the whole
week, with blanks in their own turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.gates.account_attributes import account_values
from depsim_dagster.privacy.json_texts import all_texts
from depsim_dagster.traffic.pseudonyms import pseudonym

ACCOUNT_COLUMNS = ("turn_id", "user_id", "conversation_id", "attributes")
TEXT_COLUMNS = ("prefix", "target", "tools", "attributes")
REMEMBERED = 200_000

SHORTEST, LONGEST = 6, 128
KINDS = ("user", "conversation")
# From the widest reading of a token to the narrowest: `id=u-81.22@x/y` holds the ids of all of them.
_TOKENS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"[^\s\"'`<>()\[\]{{}},;]{{{SHORTEST},{LONGEST}}}",
        rf"[\w.@+:|~-]{{{SHORTEST},{LONGEST}}}",
        rf"[\w.@+-]{{{SHORTEST},{LONGEST}}}",
        rf"[\w-]{{{SHORTEST},{LONGEST}}}",
        rf"\w{{{SHORTEST},{LONGEST}}}",
        # Beside letters of a script that is written without blanks, or between the underscores of Markdown.
        rf"[A-Za-z0-9_.@+-]{{{SHORTEST},{LONGEST}}}",
        rf"[A-Za-z0-9-]{{{SHORTEST},{LONGEST}}}",
    )
)
_EDGES = ".,:;!?|~+-@*#=&/"


class AccountIdentifiers:
    """A detector of the ids behind some pseudonyms: called with texts it gives, per text, its spans (`account_number`).

    `keys` are those under which the pseudonyms may have been made: a sample outlives a rotation of the key.
    """

    def __init__(self, keys: Sequence[bytes], pseudonyms: Collection[str], names: Collection[str] = ()):
        self._keys = tuple(keys)
        self._pseudonyms = frozenset(pseudonyms)
        self._names = frozenset(name.casefold() for name in names)
        self._known: dict[str, bool] = {}

    def __call__(self, texts: Sequence[str]) -> list[list[IdentifierSpan]]:
        return [
            [IdentifierSpan("account_number", start, end) for start, end in self._found(text)]
            for text in texts
        ]

    def count(self, texts: Iterable[str]) -> int:
        """How many ids stand in some texts."""
        return sum(len(self._found(text)) for text in texts)

    def _found(self, text: str) -> list[tuple[int, int]]:
        taken: list[tuple[int, int]] = []
        for start, end in sorted(_candidates(text), key=lambda place: place[0] - place[1]):
            if self._is_known(text[start:end]) and all(
                end <= left or start >= right for left, right in taken
            ):
                taken.append((start, end))
        return sorted(taken)

    def _is_known(self, token: str) -> bool:
        known = self._known.get(token)
        if known is None:
            if len(self._known) >= REMEMBERED:  # words repeat, so most of them are met again
                self._known.clear()
            known = token.casefold() in self._names or any(
                pseudonym(key, kind, written) in self._pseudonyms
                for written in _spellings(token)
                for key in self._keys
                for kind in KINDS
            )
            self._known[token] = known
        return known


@dataclass(frozen=True)
class WeekAccounts:
    """The accounts of a week's sample: their pseudonyms, and by turn what the log's columns say of them in clear."""

    pseudonyms: frozenset[str]
    values: Mapping[str, tuple[str, ...]]

    def identifiers(self, keys: Sequence[bytes]) -> AccountIdentifiers:
        """What finds them in texts of the week."""
        return AccountIdentifiers(
            keys,
            self.pseudonyms,
            {value for values in self.values.values() for value in values if " " not in value},
        )


def week_accounts(sampled: Iterable[pa.RecordBatch]) -> WeekAccounts:
    """The accounts behind SAMPLED_TRAFFIC batches with ACCOUNT_COLUMNS."""
    pseudonyms: set[str] = set()
    values: dict[str, tuple[str, ...]] = {}
    for batch in sampled:
        for row in batch.select(list(ACCOUNT_COLUMNS)).to_pylist():
            pseudonyms |= {row["user_id"], row["conversation_id"]}
            if found := tuple(account_values(row["attributes"])):
                values[row["turn_id"]] = found
    return WeekAccounts(frozenset(pseudonyms), values)


def count_account_identifiers(
    batches: Iterable[pa.RecordBatch], keys: Sequence[bytes], accounts: WeekAccounts
) -> Iterator[int]:
    """For each row of batches with turn_id and TEXT_COLUMNS (JSON), how many of these accounts' ids, names and addresses
    stand in its texts. Names of keys and JSON inside of texts count too.
    """
    found = accounts.identifiers(keys)
    for batch in batches:
        for row in batch.select(["turn_id", *TEXT_COLUMNS]).to_pylist():
            texts = [text for name in TEXT_COLUMNS if row[name] for text in all_texts(json.loads(row[name]))]
            spaced = [value for value in accounts.values.get(row["turn_id"], ()) if " " in value]
            yield found.count(texts) + sum(_stands(value, text) for value in spaced for text in texts)


def _stands(value: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE) is not None


def _spellings(token: str) -> set[str]:
    """A token as it stands and in the cases in which systems write ids: people do not keep to them."""
    capitals = {token.upper()} if any(character.isdigit() for character in token) else set()
    return {token, token.lower(), *capitals}


def _candidates(text: str) -> set[tuple[int, int]]:
    found = set()
    for pattern in _TOKENS:
        for match in pattern.finditer(text):
            start, end = match.span()
            while start < end and text[start] in _EDGES:
                start += 1
            while end > start and text[end - 1] in _EDGES:
                end -= 1
            if end - start >= SHORTEST:
                found.add((start, end))
    return found
