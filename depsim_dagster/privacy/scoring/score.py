"""How much of what a labelled set marks as personal a `text -> text` callable removes, and how much else it changes.

Recall is by span: a detail counts as removed when nothing of it that says something of a person is left (leaks.py has
the rule). Over-redaction is the share of the characters outside of every labelled span that were changed. The result
holds counts only. Anything that maps a text to a text can be scored; what reads sets from files is labelled_files.py.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.privacy.scoring.alignment import Alignment, align
from depsim_dagster.privacy.scoring.leaks import Output, Verdict

LEVEL = 0.95
UNNAMED = "-"  # language or kind of a message that names none


@dataclass(frozen=True)
class LabelledSpan:
    """A personal detail at text[start:end]. `type` is one of ours, or the set's own name for a type without a match."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class LabelledMessage:
    """A text with all of its personal details. `kind` is the kind of writing: chat, code, maths, json, version, …"""

    text: str
    spans: tuple[LabelledSpan, ...]
    language: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Recall:
    """Labelled spans and what became of them: spans = removed + partial + left. Partial is a miss."""

    spans: int = 0
    partial: int = 0
    left: int = 0

    @property
    def removed(self) -> int:
        return self.spans - self.partial - self.left

    @property
    def recall(self) -> float:
        """Share of spans removed; nan without spans."""
        return self.removed / self.spans if self.spans else float("nan")

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Clopper–Pearson limits of the recall. Spans of one template or message are not independent draws, so a set
        that was generated knows less than its interval says."""
        from scipy.stats import beta

        tail = (1 - level) / 2
        low = float(beta.ppf(tail, self.removed, self.spans - self.removed + 1)) if self.removed else 0.0
        high = (
            float(beta.ppf(1 - tail, self.removed + 1, self.spans - self.removed))
            if self.removed < self.spans
            else 1.0
        )
        return low, high


@dataclass(frozen=True)
class OverRedaction:
    """Characters outside of labelled spans, and those of them that were changed."""

    characters: int = 0
    changed: int = 0

    @property
    def share(self) -> float:
        return self.changed / self.characters if self.characters else 0.0


@dataclass(frozen=True)
class Score:
    """Counts of one run over a labelled set; no text. Keys are the names of types, languages and kinds."""

    messages: int = 0
    characters: int = 0
    seconds: float = 0.0
    by_type: dict[str, Recall] = field(default_factory=dict)
    by_language: dict[str, Recall] = field(default_factory=dict)
    by_type_and_language: dict[tuple[str, str], Recall] = field(default_factory=dict)
    by_kind: dict[str, Recall] = field(default_factory=dict)
    over_redaction: dict[str, OverRedaction] = field(default_factory=dict)

    @property
    def total(self) -> Recall:
        return _sum(self.by_type.values())

    @property
    def characters_per_second(self) -> float:
        """Of the callable alone, without the comparison."""
        return self.characters / self.seconds if self.seconds else float("nan")

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "messages": self.messages,
            "characters": self.characters,
            "seconds": round(self.seconds, 3),
            "level": LEVEL,
            "recall": {"all": _entry(self.total), **_entries(self.by_type)},
            "recall_by_language": _entries(self.by_language),
            "recall_by_kind": _entries(self.by_kind),
            "recall_by_type_and_language": {
                f"{type_}/{language}": _entry(recall)
                for (type_, language), recall in sorted(self.by_type_and_language.items())
            },
            "over_redaction": {
                kind: {"characters": entry.characters, "changed": entry.changed, "share": entry.share}
                for kind, entry in sorted(self.over_redaction.items())
            },
        }


Miss = Callable[[LabelledMessage, LabelledSpan, Verdict], None]


def score(
    messages: Iterable[LabelledMessage], deidentify: Callable[[str], str], on_miss: Miss | None = None
) -> Score:
    """Run `deidentify` over every text and compare. One pass; holds one message at a time.

    `on_miss` gets every span that is not removed. It sees text, so it is for a person at a terminal.

    Raises:
        ConfigurationError: `deidentify` raised, or returned something else than a text; the message names the position
            (from 1) in the set and quotes nothing.
    """
    verdicts: Counter[tuple[str, str, str, Verdict]] = Counter()
    outside: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    count = characters = 0
    seconds = 0.0
    for count, message in enumerate(messages, 1):  # noqa: B007 — the count is used after the loop
        started = time.perf_counter()
        changed = _called(deidentify, message.text, count)
        seconds += time.perf_counter() - started
        characters += len(message.text)
        language, kind = message.language or UNNAMED, message.kind or UNNAMED
        alignment = align(message.text, changed)
        output = Output(changed)
        for span in message.spans:
            place = alignment.replacement(span.start, span.end)
            verdict = output.verdict(message.text[span.start : span.end], span.type, place)
            verdicts[span.type, language, kind, verdict] += 1
            if verdict != "removed" and on_miss is not None:
                on_miss(message, span, verdict)
        total, lost = _outside(message, alignment)
        outside[kind][0] += total
        outside[kind][1] += lost
    by_type, by_language, by_both, by_kind = (
        _recalls(verdicts, key)
        for key in (
            lambda type_, language, kind: type_,
            lambda type_, language, kind: language,
            lambda type_, language, kind: (type_, language),
            lambda type_, language, kind: kind,
        )
    )
    redaction = {kind: OverRedaction(*counts) for kind, counts in sorted(outside.items())}
    return Score(count, characters, seconds, by_type, by_language, by_both, by_kind, redaction)


def _called(deidentify: Callable[[str], str], text: str, number: int) -> str:
    try:
        changed = deidentify(text)
    except Exception as error:  # its message may quote the text
        problem = f"raised {type(error).__name__}"
    else:
        if isinstance(changed, str):
            return changed
        problem = f"returned {type(changed).__name__} instead of a text"
    raise ConfigurationError(f"the de-identification that is scored {problem} on message {number} of the set")


def _outside(message: LabelledMessage, alignment: Alignment) -> tuple[int, int]:
    """(characters, changed characters) of the tokens that no span touches."""
    labelled = bytearray(len(message.text))
    for span in message.spans:
        labelled[span.start : span.end] = b"\1" * (span.end - span.start)
    free = [labelled.find(1, start, end) < 0 for start, end in alignment.before]
    sizes = [end - start if alone else 0 for (start, end), alone in zip(alignment.before, free, strict=True)]
    total = sum(sizes)
    return total, total - sum(sizes[place] for place, _ in alignment.kept)


def _recalls(
    verdicts: Counter[tuple[str, str, str, Verdict]], key: Callable[[str, str, str], Any]
) -> dict[Any, Recall]:
    counts: dict[Any, Counter[str]] = defaultdict(Counter)
    for (type_, language, kind, verdict), number in verdicts.items():
        counts[key(type_, language, kind)][verdict] += number
    return {
        name: Recall(found.total(), found["partial"], found["left"]) for name, found in sorted(counts.items())
    }


def _sum(recalls: Iterable[Recall]) -> Recall:
    parts = list(recalls)
    return Recall(*(sum(getattr(part, name) for part in parts) for name in ("spans", "partial", "left")))


def _entries(recalls: dict[str, Recall]) -> dict[str, dict[str, Any]]:
    return {name: _entry(recall) for name, recall in recalls.items()}


def _entry(recall: Recall) -> dict[str, Any]:
    low, high = recall.interval() if recall.spans else (None, None)
    return {
        "spans": recall.spans,
        "removed": recall.removed,
        "partial": recall.partial,
        "left": recall.left,
        "recall": recall.recall if recall.spans else None,
        "low": low,
        "high": high,
    }
