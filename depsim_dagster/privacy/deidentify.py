"""Sampled turns in, de-identified turns out, as a stream of batches.

Every text of a turn goes through one mapping per conversation, which first learns from all of them and then replaces.
The mapping is seeded by the conversation's pseudonym, so that two turns of one conversation agree, in whichever weeks
they were sampled. Originals and surrogates never meet in one table.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import pyarrow as pa

from depsim_dagster.config_sections import DeidentificationConfig
from depsim_dagster.privacy.detection.detect import find_identifiers, find_split_identifiers
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.span_union import union_of_spans
from depsim_dagster.privacy.detectors import Detector
from depsim_dagster.privacy.gates.account_attributes import account_values
from depsim_dagster.privacy.gates.residual import count_residuals
from depsim_dagster.privacy.surrogates.escaped_text import read_escapes
from depsim_dagster.privacy.surrogates.mapping import Detect, Surrogates
from depsim_dagster.privacy.turn_texts import TurnTexts, content_length, whole, without_data_urls
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

# A log may name a user's message after its role; that is not a person.
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def deidentify(
    batches: Iterable[pa.RecordBatch],
    key: bytes,
    settings: DeidentificationConfig,
    detectors: Sequence[Detector] = (),
    public: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """DEIDENTIFIED_PREFIXES rows for SAMPLED_TRAFFIC rows; holds one batch at a time.

    What any of the `detectors` finds is replaced beside what the embedded one does; each is called once per batch. Without
    an engine nothing is replaced, and all that the gate's detector proves is a residual, but for the prefix sources that
    are `public` (or invented) anyway.
    """
    for batch in batches:
        rows = batch.to_pylist()
        turns = [TurnTexts.of(row) for row in rows]
        for row in rows:
            row["surrogates"] = surrogate_style(settings, row["user_id"])
        if settings.engine == "none":
            private = [
                "" if row["prefix_source"] in public else _joined(turn.texts())
                for row, turn in zip(rows, turns, strict=True)
            ]
            residuals = count_residuals(private, private)
            for row, turn, residual in zip(rows, turns, residuals, strict=True):
                _fill(row, turn.changed(str), turn.attachments, {}, residual)
        else:
            originals = [turn.texts() for turn in turns]
            detect = _detection(rows, originals, detectors)
            published = []
            for row, turn, texts in zip(rows, turns, originals, strict=True):
                surrogates = Surrogates(
                    key, row["conversation_id"], row["language"], row["surrogates"], detect
                )
                columns, attachments, after = _replaced(turn, texts, surrogates)
                published.append(after)
                _fill(row, columns, attachments, surrogates.replaced_by_type, 0)
            residuals = count_residuals(list(map(_joined, originals)), list(map(_joined, published)))
            for row, residual in zip(rows, residuals, strict=True):
                row["residual_identifiers"] = residual
        yield pa.RecordBatch.from_pylist(rows, schema=DEIDENTIFIED_PREFIXES.schema)


def surrogate_style(settings: DeidentificationConfig, user_id: str) -> Literal["realistic", "tags", "none"]:
    """What stands for the details of a user: in all turns of every week the same, drawn by a hash of the pseudonym alone,
    so that which users get tags is a randomised trial."""
    place = hashlib.sha256(f"surrogate style:{user_id}".encode()).digest()[:8]
    # A share needs an engine, so that `none` is never drawn for.
    return "tags" if int.from_bytes(place) < settings.tags_share * 2.0**64 else settings.style


def deidentify_text(text: str, key: bytes | None = None, language: str | None = None) -> str:
    """One text with its personal details replaced by the embedded engine. Without a `key` a random one is drawn, and
    nobody can draw the same surrogates again."""
    surrogates = Surrogates(secrets.token_bytes(32) if key is None else key, "", language)
    text = without_data_urls(text)[0]
    surrogates.learn(text)
    return surrogates.replace(text)


def _detection(
    rows: list[dict[str, Any]], originals: list[list[str]], detectors: Sequence[Detector]
) -> Detect:
    """What finds details in the texts of a batch: the embedded detector, and what the others found in one call each.

    A detector that keeps its answers is told for which turns each text is asked (`asked_for`), so that they can go with
    these turns.
    """
    shown: dict[str, dict[Subject, None]] = defaultdict(dict)
    for row, texts in zip(rows, originals, strict=True):
        for text in texts:
            subject = Subject(row["week"], row["turn_id"], row["user_id"])
            shown[read_escapes(without_data_urls(text)[0]).text][subject] = None
    asked = [text for text in shown if text.strip()] if detectors else []
    further: dict[str, list[list[IdentifierSpan]]] = defaultdict(list)
    for detector in detectors:
        if (asked_for := getattr(detector, "asked_for", None)) is not None:
            asked_for(shown)
        for text, spans in zip(asked, detector(asked), strict=True):
            if spans:
                further[text].append(spans)

    @cache  # a system prompt stands in thousands of conversations
    def detect(text: str, language: str | None) -> list[IdentifierSpan]:
        spans = find_identifiers(text, language)
        return union_of_spans(text, [spans, *further[text]]) if text in further else spans

    return detect


def _replaced(
    turn: TurnTexts, texts: list[str], surrogates: Surrogates
) -> tuple[dict[str, str], int, list[str]]:
    """The columns, how many attachments were dropped, and the texts as they are published."""
    attachments, published = turn.attachments, []
    small = {}
    for text in texts:
        small[text], dropped = without_data_urls(text)
        attachments += dropped
        surrogates.learn(small[text])
    for message in turn.messages():
        name = message.get("name")
        if message.get("role") == "user" and isinstance(name, str) and name.strip() and name not in ROLES:
            surrogates.learn_value(name.strip(), "person")
    for value, type_ in account_values(turn.raw.get("attributes")).items():
        surrogates.learn_value(value, type_)
    split = _split_identifiers(turn, small)

    def change(text: str) -> str:
        changed = whole(surrogates.replace(small[text], split.get(small[text], ())))
        published.append(changed)
        return changed

    return turn.changed(change), attachments, published


def _split_identifiers(turn: TurnTexts, small: Mapping[str, str]) -> dict[str, list[IdentifierSpan]]:
    """Text → the parts in it of details that one author spread over several messages; `small`: text → without files."""
    spoken: dict[str, list[str]] = defaultdict(list)
    for message in turn.messages():
        role, content = message.get("role"), message.get("content")
        if isinstance(role, str) and isinstance(content, str) and content:
            spoken[role].append(small[content])
    found: dict[str, list[IdentifierSpan]] = {}
    for texts in spoken.values():
        if len(texts) > 1:
            for text, spans in zip(texts, find_split_identifiers(texts), strict=True):
                if spans:
                    found[text] = found.get(text, []) + spans
    return found


def _fill(
    row: dict[str, Any],
    columns: Mapping[str, str],
    attachments: int,
    replaced: Mapping[str, int],
    residuals: int,
) -> None:
    row |= columns
    row["attachments_dropped"] = attachments
    row["identifiers_replaced"] = sum(replaced.values())
    row["identifiers_by_type"] = sorted(replaced.items())
    row["residual_identifiers"] = residuals
    try:
        row["prefix_characters"] = sum(map(content_length, json.loads(row["prefix"])))
    except (ValueError, RecursionError):
        row["prefix_characters"] = len(row["prefix"])


def _joined(texts: list[str]) -> str:
    """Texts as a reader of the conversation sees them, and as they are written where that differs."""
    return whole("\n".join(part for text in texts for part in dict.fromkeys((text, read_escapes(text).text))))
