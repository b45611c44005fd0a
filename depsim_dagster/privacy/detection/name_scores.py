"""Whether capital words are a name: their scores together, against what the words before them announce.

A run of words is a name when its scores together are enough; less is enough behind a greeting, a relation or a field,
and in a text that speaks of a person anyway. A single word must be a common first name and hardly an ordinary word.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from depsim_dagster.privacy.detection.capital_words import PARTICLE_WORDS, UNKNOWN_FIRST, Word, is_camel
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.labels import PhraseSet
from depsim_dagster.privacy.detection.name_words import NOT_ALONE, NOT_PERSON_TAILS, PERSON_PHRASES, TITLES

HINTS, FIELDS = PhraseSet(PERSON_PHRASES["hint"]), PhraseSet(PERSON_PHRASES["field"])
GREETED, ROLES = PhraseSet(PERSON_PHRASES["greeted"]), PhraseSet(PERSON_PHRASES["role"])
# Enough for a run of several words; for one word in the midst of a sentence, at its beginning, behind a hint; for a
# last name alone.
_ENOUGH, _ENOUGH_HINTED = 8, 5
_ALONE, _ALONE_FIRST_WORD, _ALONE_HINTED = 6, 9, 3
_LAST_ALONE = 8
_CODE_AFTER = frozenset("_(=[{/\\<@#$")
_SENTENCE_END = re.compile(r"(?:^|[.!?:;…。\"“”«»()\[\]{}*#>|•–—-]|\d[.)]|\n)[\s\"'“„«*_#>]*$")


class Evidence(NamedTuple):
    """What stands before a run: any hint, a strong one (a greeting, `my brother`), a greeting, a field's sign;
    and
    whether the text is personal anyway."""

    hinted: bool
    strongly: bool
    greeted: bool
    field: bool
    personal: bool


def name_length(text: str, run: list[Word], place: int, evidence: Evidence) -> int:
    """How many words from `place` on are a name by their scores, 0 for none."""
    for length in range(min(6, len(run) - place), 1, -1):
        if _is_full_name(text, run[place : place + length], evidence):
            return length
    word = run[place]
    hinted, strongly, greeted, is_field, personal = evidence
    following = text[word.end : word.end + 2]
    if following[:1] in _CODE_AFTER and following or following in ("::", "->"):
        return 0
    if following[:1] == "." and following[1:2].isalnum():
        return 0
    if not is_field and not strongly and _THING_AFTER.match(text, word.end):
        return 0
    if word.end - word.start < 2 or (word.end - word.start == 2 and not hinted and not is_field):
        return 0
    capitals = text[word.start : word.end].isupper()
    if is_field:
        known = word.lexeme.first >= 3 and word.first >= 0 or word.lexeme.last >= 4 and word.lexeme.word < 10
        return int(known or (not any(word.lexeme[:3]) and not capitals and personal))
    if (
        greeted
        and word.lexeme.word < 11
        and not FIELDS.holds(word.key)
        and not GREETED.holds(word.key)
        and _AFTER_GREETED.match(text, word.end)
        and word.key not in _NOT_GREETED
    ):
        return 1
    if (
        word.lexeme.first < 12
        and not strongly
        and (HINTS.holds(word.key) or FIELDS.holds(word.key) or GREETED.holds(word.key))
    ):
        return 0
    if (
        following[:1] == ":"
        and word.lexeme.first >= 6
        and word.lexeme.word < 10
        and word.key not in NOT_ALONE
    ) and _begins_line(text, word.start):
        return 1  # who speaks, in a dialogue
    if word.key in NOT_ALONE and not (strongly and word.lexeme.first >= 6):
        return 0
    if (
        word.lexeme.place >= 5
        and not strongly
        and (
            _IN.search(text, max(0, word.start - 8), word.start)
            or (word.lexeme.place >= 9 and word.first < 10)
        )
    ):
        return 0
    hinted = hinted or bool(_VERB_AFTER.match(text, word.end))
    # Not one of a row of capital words (a heading, a work's title).
    neighbours = sum(
        other.lexeme.word >= 7 and other.first < 6 for other in run[1 if place else 0 :] if other is not word
    )
    if capitals and word.end - word.start < 5 and not hinted:
        return 0
    need = 2 if strongly else _ALONE_HINTED if hinted else _ALONE
    if not hinted and not personal and _SENTENCE_END.search(text[max(0, word.start - 8) : word.start]):
        need = _ALONE_FIRST_WORD if word.lexeme.word >= 6 else _ALONE
    opening = _SENTENCE_END.search(text[max(0, word.start - 8) : word.start]) is not None
    unworded = not word.lexeme.word and not word.lexeme.place and (hinted or not opening)
    need += neighbours - (2 if personal and not hinted and not opening else 0) + 3 * capitals - 2 * unworded
    if word.first >= need and (strongly or word.first >= need + 4 or not is_code_line(text, word.start)):
        return 1
    last_need = _LAST_ALONE + neighbours - hinted - 2 * strongly - personal
    if (
        word.last >= last_need
        and word.lexeme.word < (10 if strongly else 6)
        and word.lexeme.place < 6
        and not capitals
    ):
        return 1
    return 0


_CODE_LINE = re.compile(
    r"[;{}]\s*$|\w\(|[=!<>]=|\w = |\bdef \w|\bimport \w|\breturn\b|</?\w+>|::|->|^\s*(?:if|for|while|elif"
    r"|class|raise|assert) [^.!?]*:\s*$"
)


def is_code_line(text: str, place: int) -> bool:
    """Whether the line around a place reads as code."""
    start = max(text.rfind("\n", 0, place) + 1, place - 120)
    end = text.find("\n", place)
    end = min(len(text) if end < 0 else end, place + 120)
    return _CODE_LINE.search(text, start, end) is not None


_NOT_GREETED = frozenset(
    "sir madam all everyone team there world folks guys friends customer support god lord santa diary"
    " assistant chatgpt gpt bot ai claude alexa siri damen herren zusammen señor señores señora monsieur"
    " madame signore senhor senhora heer mevrouw państwo".split()
)
_IN = re.compile(
    r"\b(?:in|at|near|to|of|from|en|à|nach|aus|a|em|w|i|till|visit|visiting)[ \u00a0]$", re.IGNORECASE
)
# `Reynolds number`, `Dijkstra's algorithm`.
_THING_AFTER = re.compile(
    r"(?:['’]s)? (?:algorithm|theorem|lemma|conjecture|equations?|inequality|principle|syndrome|distribution"
    r"|transform|paradox|constant|matrix|disease)(?![\w])"
    r"| (?:numbers?|effect|method|series|model|law|sort|cipher|sequence|test|movies?|books?)(?![\w])"
)
_AFTER_GREETED = re.compile(r"[ ]?(?:[,!:.;\n—–-]|$| here\b| aquí\b| ici\b| hier\b)")
_VERB_AFTER = re.compile(
    r"(?:, (?:please|pls|plz|can you|could you|would you)(?![^\W\d_])"
    r"|['’]s (?:birthday|wife|husband|mother|father|son|daughter|house|phone|email|address|account)|"
    r" (?:said|says|told|tells|asked|asks|wrote|writes|replied|called|calls|texted|emailed|lives|lived"
    r"|works|worked|thinks|wants|wanted|needs|likes|loves|hates|went|came|was born|is my|is our|is a|has"
    r" a|had|will|would|and I|et moi|y yo|und ich|ed io|e eu|en ik|i ja|och jag|и я"
    r"|sagte|sagt|meinte|schrieb|wohnt|hat|a dit|dit|habite|m['’]a|dijo|dice|vive|me|ha detto|mi ha|dice"
    r"|abita|disse|mora|zei|woont|powiedział|kazał|mieszka|sa|säger|bor|сказал|сказала|живет|живёт|просил"
    r"|просила)(?![^\W\d_]))"
)


def _is_full_name(text: str, words: list[Word], evidence: Evidence) -> bool:
    head, tail = words[0], words[-1]
    if tail.key in NOT_PERSON_TAILS or tail.key in PARTICLE_WORDS and len(tail.key) < 4:
        return False
    if tail.end - tail.start == 1 and len(words) == 2 and text[tail.end : tail.end + 1] != ".":
        return False
    initial = head.end - head.start == 1
    if head.key in TITLES and head.first < 5 or head.key in PARTICLE_WORDS and len(head.key) < 4:
        return False
    if len(words) == 3 and words[1].key in _VIETNAMESE and head.lexeme.last >= 7:
        return True
    joined = " ".join(word.key for word in words)
    if gazetteer().lexeme(joined).place and (len(words) > 2 or head.first < 9):
        return False
    if head.lexeme.word >= 11 and head.first < 2 and not initial:
        return False
    middle = [word for word in words[1:-1] if word.key not in PARTICLE_WORDS]
    if any(
        word.lexeme.word >= 10 and max(word.first, word.last) < 2 and word.end - word.start > 1
        for word in middle
    ):
        return False
    backed = evidence.strongly or evidence.field or evidence.personal
    enough = (
        (_ENOUGH_HINTED if evidence.field or evidence.strongly else _ENOUGH)
        - evidence.hinted
        - 2 * evidence.personal
    )
    capitals = text[head.start : tail.end].isupper()
    enough += 3 * (capitals and len(words) == 2) + 3 * (head.key in NOT_ALONE and head.first < 6)
    first = 5 if initial else head.first
    last = 4 if tail.end - tail.start == 1 else tail.last
    straight = 0
    if first >= 0 and last >= 0 and (head.lexeme.first >= 4 or initial or first == UNKNOWN_FIRST):
        straight = first + last
    # An unknown word can be one half of a name only beside a good other half.
    if not any(head.lexeme) and not initial and last < 9:
        straight = 0
    turned = head.last + tail.first - 2 if head.lexeme.last >= 6 and tail.first >= 6 else 0
    bonus = sum(2 for word in middle if max(word.first, word.last) >= 5 or word.end - word.start == 1)
    if max(straight, turned) + bonus >= enough:
        return True
    if (
        capitals
        or head.key in NOT_ALONE
        or tail.key in NOT_ALONE
        or any(word.lexeme.word >= 7 for word in middle)
    ):
        return False
    if min(len(head.key), len(tail.key)) < 3 or is_camel(text, head) or is_camel(text, tail):
        return False
    if (
        evidence.field
        and 2 <= len(words) <= 4
        and _is_whole_value(text, head.start, tail.end)
        and (
            head.lexeme.first >= 8
            or min(head.lexeme.word, tail.lexeme.word) < 6
            and (head.lexeme.first >= 2 or tail.lexeme.last >= 2)
        )
    ):
        return True
    if (
        evidence.personal
        and _is_whole_line(text, head.start, tail.end)
        and head.lexeme.word < 11
        and tail.lexeme.word < 11
    ) and (head.lexeme.first >= 3 or (tail.lexeme.last >= 3 and head.lexeme.word < 6)):
        return True
    if (
        not head.lexeme.word
        and not tail.lexeme.word
        and head.lexeme.first
        and head.lexeme.first + tail.lexeme.last >= 5
    ):
        return True
    if not head.lexeme.word and head.lexeme.first >= 3 and tail.lexeme.last >= 3 and tail.lexeme.word < 9:
        return True
    # Neither is a word of any language, and one is somebody's name.
    if head.lexeme.word < 6 and tail.lexeme.word < 6 and max(head.lexeme.place, tail.lexeme.place) < 9:
        if head.lexeme.first >= 3 or (tail.lexeme.first >= 3 and head.lexeme.last >= 3):
            return True
        if backed and not any(head.lexeme) and (tail.lexeme.last >= 3 or not any(tail.lexeme)):
            return True
    return backed and head.lexeme.first >= 4 and head.lexeme.word < 10 and tail.lexeme.word < 12


_VIETNAMESE = frozenset("van văn thi thị".split())
_VALUE_END = re.compile(r"[ ]?(?:[\"'`,;\n|)}\]]|$|\()")


def _is_whole_value(text: str, start: int, end: int) -> bool:
    """Whether a field holds nothing else."""
    return (
        text[start - 1 : start] in ("", " ", '"', "'", "`", ":", "=", "\n", "|", "(")
        and _VALUE_END.match(text, end) is not None
    )


def _begins_line(text: str, place: int) -> bool:
    """Whether there is nothing but a list's mark before a place on its line."""
    begin = text.rfind("\n", max(0, place - 8), place) + 1
    if not begin and place > 7:
        return False
    return not text[begin:place].strip(' \t-*•–—.0123456789)>"')


def _is_whole_line(text: str, start: int, end: int) -> bool:
    """Whether a line holds nothing else but a list's mark, as a signature or an entry does."""
    after = text[end : end + 3].lstrip(" \t\r,.")
    return (not after or after[0] == "\n") and _begins_line(text, start)
