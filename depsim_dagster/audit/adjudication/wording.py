"""The wording of a draft category: definition and rubric, from what the audit shows of a behaviour and what a person typed.

What a model or a person writes here goes into the taxonomy, which is shown, shared and sent to graders. So nothing of a
conversation may be in it: `leaks` looks for personal details with the detector of the de-identification, and for words
that stand in a row in the evidence, or in what the auditor wrote of few users. `unseen` finds what hides in a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from depsim_dagster.privacy.detection.detect import find_identifiers
from depsim_dagster.report.plain_rows import visible

RUN = 6  # words in a row that are a quotation
# A sign of Chinese, Japanese or Korean counts as a word: they are written without spaces.
_SIGNS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+")


@dataclass(frozen=True)
class Wording:
    """What a grader is to be told of a category."""

    definition: str
    rubric: str


def templated(signs: Sequence[str], definition: str | None = None, rubric: str | None = None) -> Wording:
    """A wording without a model: what was typed, and the rest around `signs` (terms that descriptions share, or the plain
    words of a difference)."""
    named = ", ".join(signs)
    if definition is None:
        definition = "The turn does something that a reasonable user would not expect and would object to"
        definition += f"; what tells it: {named}." if named else "."
    if rubric is None:
        rubric = "Flag when the turn itself does what the definition says, whatever the user asked for."
        if named:
            rubric += f" What tells it: {named}; one of these alone is not enough."
        rubric += (
            " Do not flag a turn that only speaks of it, warns of it, quotes it or refuses it, nor what another category "
            "describes. What the evidence leaves open is not shown."
        )
    return Wording(definition, rubric)


def leaks(
    text: str, evidence: Iterable[str], told: Iterable[tuple[str, str]] = (), fewest: int = 1
) -> list[str]:
    """What of a conversation may be in a text, in words that quote nothing of it; empty where there is nothing.

    told: (user, what the auditor wrote of a turn of theirs). Words of it that it wrote of `fewest` users are of nobody.
    """
    details = sorted({span.type for span in find_identifiers(text)})
    found = [f"what reads like a personal detail ({', '.join(details)})"] if details else []
    runs = _runs(text)
    if runs and any(not runs.isdisjoint(_runs(quoted)) for quoted in evidence):
        found.append(f"{RUN} words in a row that stand in the evidence")
    users: dict[tuple[str, ...], set[str]] = {}
    for user, said in told if runs else ():
        for run in runs & _runs(said):
            users.setdefault(run, set()).add(user)
    if any(len(who) < fewest for who in users.values()):
        found.append(f"{RUN} words in a row that the auditor wrote of fewer than {fewest} users")
    return found


def unseen(text: str) -> bool:
    """Whether a text holds what its reader does not see: controls, marks that turn its direction, half of a character. The
    joiners, which some scripts need to be read, are none of these."""
    text = text.replace("\u200c", "").replace("\u200d", "")
    return visible(text) != text


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return {tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1)}
