"""Names in small letters, as people type in chats: `my boss karen`, `dr feingold`, `reply to kavya`.

Nothing but what stands before them tells them from other words, so they must be announced, and be names above all. Where
they may be announced otherwise (`my name is`) is privacy/detection/names.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.capital_words import CODE_BEFORE, scored_word
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.name_scores import is_code_line
from depsim_dagster.privacy.detection.name_words import (
    NOT_ALONE,
    OF_RELATIONS,
    POSSESSIVES,
    RELATIONS,
    RELATIONS_ALONE,
)

PHRASE_GAP = re.compile(r"[\s,:;.!\"'“„«*_–—(-]{1,6}")
_ANY_WORD = re.compile(r"[^\W\d_]{1,40}(?:['’-][^\W\d_]{1,40}){0,3}")
_ALL_RELATIONS = RELATIONS | RELATIONS_ALONE
_LEADING_PARTICLES = re.compile(
    r"(?:(?:van|von|de|den|der|del|della|di|da|dos|das|du|la|le|los|las|'t|ter|ten|zu|zum|af|av|al|el|bin"
    r"|ibn)[ ]){1,3}"
)
_BEFORE_RELATION = re.compile(r"(?<![^\W_])(?:([^\W\d_]{2,8})[ ])?([^\W\d_]{1,10})[ -]$")


def behind_relations(chat: ChatText) -> Iterator[int]:
    """Where words in small letters stand behind `my boss`, `ma copine`, `dr`."""
    text, lower = chat.text, chat.lower
    for word in _ALL_RELATIONS & chat.words:
        for start in chat.word_starts[word]:
            gap = PHRASE_GAP.match(text, start + len(word))
            if gap is None or not text[gap.end() : gap.end() + 1].islower():
                continue
            if word not in RELATIONS_ALONE:
                before = _BEFORE_RELATION.search(lower, max(0, start - 20), start)
                if before is None or not (
                    before.group(2) in POSSESSIVES
                    or (before.group(2) in OF_RELATIONS and before.group(1) in POSSESSIVES)
                ):
                    continue
            yield gap.end()


# In a text of `my` and `me` a word that is a first name and nothing else, where persons are spoken of.
_WRITERS = frozenset("i my me im we our us".split())
_TOLD_OF = re.compile(
    r"(?<![\w'’])(?:tell|told|ask|asked|text|texted|call|called|email|emailed|meet|met|with|to|from|and|between|for|dating|date|dates"
    r"|invite|invited|remind|reminded|that|says|thinks|love|hate|miss|about) (?=([a-z]{4,12})(?![\w(@=/\\-]|\.\w|['’](?!s\b)))"
)


def told_of(chat: ChatText) -> Iterator[tuple[int, int]]:
    """Words that are first names and nothing else, in a text of `my` and `me`, behind `tell`, `with`, `from`."""
    if chat.words.isdisjoint(_WRITERS):
        return
    for match in _TOLD_OF.finditer(chat.text):
        key = match.group(1)
        lexeme = gazetteer().lexeme(key)
        likely = lexeme.first >= 6 and not lexeme.word and lexeme.place < 5 and key not in NOT_ALONE
        if likely and not is_code_line(chat.text, match.start()):
            yield match.span(1)


def past_particles(text: str, place: int) -> int:
    """Behind `van der` and the like, where they stand at a place."""
    match = _LEADING_PARTICLES.match(text, place)
    return match.end() if match else place


def small_name(text: str, place: int, certain: bool, is_field: bool) -> int:
    """The end of a name in small letters that begins at `place`, 0 for none."""
    if place and (text[place - 1].isalnum() or text[place - 1] in CODE_BEFORE - {"="}):
        return 0
    lexeme_of = gazetteer().lexeme
    end = 0
    position = place
    for number in range(4):
        match = _ANY_WORD.match(text, position)
        if match is None:
            break
        word = scored_word(match.group(), match.start(), match.end(), lexeme_of)
        if word.key in _SMALL_NO_NAMES:
            break
        if number == 0:
            need = 4 if certain else 9 if is_field else 11
            unheard = certain and word.lexeme.word < 7 and len(word.key) > 2
            if (
                not unheard
                and (word.first < need or (not certain and word.lexeme.word >= 6))
                and (word.lexeme.word >= 6 or not word.lexeme.first or not _is_last_name(text, match.end()))
            ):
                return 0
        elif (
            not (word.last >= 5 or word.first >= 5 or (certain and not word.lexeme.word))
            or word.lexeme.word >= 9
            and word.last < 5
        ):
            break
        end = match.end()
        if text[end : end + 1] != " ":
            break
        position = past_particles(text, end + 1)
    return end


def small_relative(text: str, place: int) -> int:
    """The end of a name in small letters behind `my boss`, `dr`, `hi`, that hardly is another word; 0 for none."""
    if place and text[place - 1] in CODE_BEFORE or text[place - 1 : place] == "(":
        return 0
    match = _ANY_WORD.match(text, place)
    if match is None or text[match.end() : match.end() + 1] in ("_", "(", "=", "[", "/", "@"):
        return 0
    key = match.group().casefold()
    lexeme = gazetteer().lexeme(key)
    likely = (
        (lexeme.first >= 5 and lexeme.word < 7)
        or (lexeme.first >= 9 and lexeme.word < 10)
        or (lexeme.first >= 12 and lexeme.word < 11)
    )
    if text[max(0, place - 8) : place].casefold().rstrip(" .").endswith(("dr", " mr", " mrs", "(mr", "\nmr")):
        likely = likely or (lexeme.word < 7 and len(key) > 3)
    if (
        not likely
        or len(key) < 3
        or key in NOT_ALONE
        or key in _SMALL_NO_NAMES
        or key == "said"
        or lexeme.place > lexeme.first
    ):
        return 0
    following = _ANY_WORD.match(text, match.end() + 1) if text[match.end() : match.end() + 1] == " " else None
    if following is not None:
        last = gazetteer().lexeme(following.group().casefold())
        if last.last >= 5 and last.word < 6:
            return following.end()
    return match.end()


def _is_last_name(text: str, place: int) -> bool:
    match = _ANY_WORD.match(text, place + 1) if text[place : place + 1] == " " else None
    if match is None:
        return False
    lexeme = gazetteer().lexeme(match.group().casefold())
    return lexeme.last >= 7 and lexeme.word < 7


_SMALL_NO_NAMES = frozenset(
    "and or the a an is was are not from in at i you he she it we they my your to for of on with but so"
    " if that this here there who what und y e et en och i он она но".split()
)
