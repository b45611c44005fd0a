"""Canaries: conversations full of invented details that are de-identified among a week's real ones, and then counted.

A gate that looks only at real text cannot tell a detector that finds everything from one that finds nothing. So every
run plants details of every type, in many languages, in rows like the real ones: several turns, code, JSON, tool
arguments, disguised spellings. They are drawn anew each time from a seed that nobody keeps, go through the same call in
the same batches, and are taken out before anything is written. What of them still stands in the text was missed.

A count of 40 cannot tell a recall of 0.99 from one of 0.97, and a gate that tried would stop healthy weeks at random.
What is gated is therefore the highest recall that the count does not contradict (one-sided Clopper–Pearson limit, error
`FALSE_ALARM` shared among the types): an engine at or above the threshold of each type is stopped in fewer than one run
in ten thousand. With 40 of a type that stops an engine that misses 6 of them at a threshold of 0.99, and 16 at
0.90; more of `privacy.canaries_per_type` sharpen it, and below 11 not even an engine that finds nothing is told by every type.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa

from depsim_dagster.errors import GateError
from depsim_dagster.privacy.gates.canary_phrases import FILLERS, PHRASINGS, TYPES, Phrasing
from depsim_dagster.privacy.gates.canary_values import LANGUAGES
from depsim_dagster.privacy.json_texts import all_texts
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

FALSE_ALARM = 1e-4
DETAILS_PER_ROW = 5
DISGUISED_SHARE = 0.1
BATCH_ROWS = 2_000
# Of a type: how many were planted, how many were found.
Counts = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Planted:
    """One planted detail; it was missed when one of `needles` still stands in the row's text."""

    type: str
    needles: tuple[str, ...]


class Canaries:
    """The canaries of one run: rows to plant, and the count of what was found once they have come back."""

    def __init__(self, per_type: int, random: Random | None = None):
        self._random = random or Random(secrets.randbits(256))
        self._planted: dict[str, list[Planted]] = {}
        self._missed = dict.fromkeys(TYPES, 0)
        self._awaited: set[str] = set()
        self._conversations = _conversations(self._random, per_type)

    def planted_among(self, batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
        """SAMPLED_TRAFFIC batches with the canaries at random places among about `rows` rows. Real rows keep their order.

        A canary takes everything but its words, its language and its ids from the real row beside it.
        """
        left = list(self._conversations)
        for batch in batches:
            real = batch.to_pylist()
            mixed = list(real)
            # As many as fall to this batch; the last one takes what rounding left over.
            share = 1.0 if rows <= len(real) else len(real) / rows
            rows -= len(real)
            for _ in range(math.ceil(share * len(left)) if real else 0):
                row = self._row(left.pop(), self._random.choice(real))
                mixed.insert(self._random.randrange(len(mixed) + 1), row)
            yield pa.RecordBatch.from_pylist(mixed, schema=SAMPLED_TRAFFIC.schema)

    def withheld_from(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """DEIDENTIFIED_PREFIXES batches without the canaries, which are counted here and go no further.

        Batches are cut anew, so that where the canaries happened to stand leaves no trace in the file.

        Raises:
            GateError: a canary did not come back: its row was lost, or its id was changed, on the way.
        """
        kept: list[pa.RecordBatch] = []
        held = 0
        for batch in batches:
            is_canary = [turn in self._planted for turn in batch.column("turn_id").to_pylist()]
            for row in batch.filter(pa.array(is_canary, pa.bool_())).to_pylist():
                self._count(row)
            real = batch.filter(pa.array([not canary for canary in is_canary], pa.bool_()))
            kept, held = [*kept, real], held + real.num_rows
            while held >= BATCH_ROWS:
                table = pa.Table.from_batches(kept)
                yield from table.slice(0, BATCH_ROWS).combine_chunks().to_batches()
                kept, held = table.slice(BATCH_ROWS).to_batches(), held - BATCH_ROWS
        if held:
            yield from pa.Table.from_batches(kept).combine_chunks().to_batches()
        if self._awaited or len(self._planted) < len(self._conversations):
            raise GateError(
                f"{DEIDENTIFIED_PREFIXES.name}: planted rows did not come back from de-identification "
                f"({len(self._planted) - len(self._awaited)} of {len(self._conversations)} did), so real ones may be lost "
                "too; correct it and materialise the partition again"
            )

    def counts(self) -> dict[str, tuple[int, int]]:
        """Type → (planted, found), once every canary has come back."""
        planted = dict.fromkeys(TYPES, 0)
        for details in self._planted.values():
            for detail in details:
                planted[detail.type] += 1
        return {type_: (number, number - self._missed[type_]) for type_, number in planted.items()}

    def left_in(self, turn_ids: Iterable[str]) -> int:
        """How many of these rows are canaries."""
        return sum(turn in self._planted for turn in turn_ids)

    def _row(self, conversation: _Conversation, neighbour: Mapping[str, Any]) -> dict[str, Any]:
        turn_id = secrets.token_hex(16)
        self._planted[turn_id] = conversation.details
        self._awaited.add(turn_id)
        return {
            **neighbour,
            "turn_id": turn_id,
            "conversation_id": secrets.token_hex(16),
            "user_id": secrets.token_hex(16),
            "language": conversation.language,
            "attributes": None,
            "prefix": json.dumps(conversation.prefix, ensure_ascii=False),
            "target": json.dumps(conversation.target, ensure_ascii=False),
            "tools": None,
        }

    def _count(self, row: Mapping[str, Any]) -> None:
        text = folded("\n".join(all_texts([json.loads(row["prefix"]), json.loads(row["target"])])))
        for detail in self._planted[row["turn_id"]]:
            if any(_stands(folded(needle), text) for needle in detail.needles):
                self._missed[detail.type] += 1
        self._awaited.discard(row["turn_id"])


def recall_limits(counts: Counts) -> dict[str, float]:
    """Type → the highest recall that its count does not contradict; 1 where nothing was planted."""
    from scipy.stats import beta

    error = FALSE_ALARM / max(len(counts), 1)
    return {
        type_: 1.0 if found == planted else float(beta.ppf(1 - error, found + 1, planted - found))
        for type_, (planted, found) in counts.items()
    }


def folded(text: str) -> str:
    """Without disguises: compatibility forms, marks on letters, invisible characters and case taken away."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(
        character for character in decomposed if unicodedata.category(character) not in ("Mn", "Cf")
    ).casefold()


def _stands(needle: str, text: str) -> bool:
    """Whether the needle is in the text, and no part of a longer number there."""
    before = r"(?<![0-9])" if needle[:1].isdigit() else ""
    after = r"(?![0-9])" if needle[-1:].isdigit() else ""
    return needle in text and re.search(before + re.escape(needle) + after, text) is not None


# -------------------------------------------------------------------------------------------------------- conversations
@dataclass(frozen=True)
class _Conversation:
    language: str
    prefix: list[dict[str, Any]]
    target: list[dict[str, Any]]
    details: list[Planted]


def _conversations(random: Random, per_type: int) -> list[_Conversation]:
    """Conversations with `per_type` details of each type, one of a type in each: of two, one could pass for the other."""
    by_type = {type_: [phrasing for phrasing in PHRASINGS if phrasing.type == type_] for type_ in TYPES}
    rows = []
    for _ in range(per_type):
        types = random.sample(TYPES, len(TYPES))
        for start in range(0, len(types), DETAILS_PER_ROW):
            chosen = [random.choice(by_type[type_]) for type_ in types[start : start + DETAILS_PER_ROW]]
            rows.append(_conversation(random, chosen))
    random.shuffle(rows)
    return rows


def _conversation(random: Random, phrasings: list[Phrasing]) -> _Conversation:
    """A user who says all of it over two turns, with a tool call or an answer in between that repeats some of it."""
    language = random.choice(LANGUAGES)
    details, pieces, fields = [], [], {}
    for phrasing in phrasings:
        spoken = language if language in phrasing.sentences else "en"
        value, needles = phrasing.value(random, spoken)
        details.append(Planted(phrasing.type, needles))
        if phrasing.disguised and random.random() < DISGUISED_SHARE:
            value = random.choice(_DISGUISES)(value)
        form = random.random() if phrasing.field else 0
        if form < 0.7:
            pieces.append(random.choice(phrasing.sentences[spoken]).format(v=value))
        elif form < 0.8:
            pieces.append(f'```python\n{phrasing.field} = "{value}"\n```')
        elif form < 0.9:
            pieces.append(f"| {phrasing.field.replace('_', ' ')} | {value} |\n")
        else:
            fields[phrasing.field] = value
    filler = FILLERS[language]
    said = random.randint(1, len(pieces)) if pieces else 0
    first, rest = pieces[:said], pieces[said:]
    prefix: list[dict[str, Any]] = [_message("user", " ".join([*first, random.choice(filler)]))]
    if fields:
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": "save_profile", "arguments": json.dumps(fields, ensure_ascii=False)},
        }
        result = json.dumps({"saved": fields}, ensure_ascii=False)
        prefix += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": result},
        ]
    prefix.append(_message("assistant", random.choice(first) if first else random.choice(filler)))
    prefix.append(_message("user", " ".join([*rest, random.choice(filler)])))
    return _Conversation(language, prefix, [_message("assistant", random.choice(pieces or filler))], details)


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def _full_width(value: str) -> str:
    return "".join(chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark for mark in value)


def _zero_width(value: str) -> str:
    half = len(value) // 2
    return f"{value[:half]}\u200b{value[half:]}"


_DISGUISES = (_full_width, _zero_width)
