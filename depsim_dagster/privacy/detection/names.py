"""Names of persons in scripts with capitals: gazetteer scores for runs of capital words, and the words around them.

Almost anything is a name behind `my name is` and in a field for names; elsewhere name_scores.py decides. Names are also
searched in small letters where they are announced, and again where the text repeats their parts. Public figures are
not told apart: recall comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.capital_words import (
    CODE_BEFORE,
    PARTICLE_WORDS,
    Word,
    capital_runs,
    scored_word,
)
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable, PhraseSet
from depsim_dagster.privacy.detection.name_scores import FIELDS, GREETED, HINTS, ROLES, Evidence, name_length
from depsim_dagster.privacy.detection.name_words import NOT_PERSON_TAILS, PERSON_PHRASES, TITLES, WEAK_TITLES

_INTRODUCTIONS = LabelTable({"introduction": PERSON_PHRASES["introduction"]})
_GREETINGS = LabelTable({"greeting": PERSON_PHRASES["greeting"]})
_SURE_FIELDS = PhraseSet(PERSON_PHRASES["sure field"])
_ANY_WORD = re.compile(r"[^\W\d_]{1,40}(?:['’-][^\W\d_]{1,40}){0,3}")


def find_names(chat: ChatText, personal: bool = False) -> Iterator[IdentifierSpan]:
    """Names of persons. `personal`: the text speaks of a person for other reasons, so that less evidence is enough."""
    text = chat.text
    certain = {
        gap.end() for label in _INTRODUCTIONS.find(chat) if (gap := _PHRASE_GAP.match(text, label.end))
    }
    fields = set(_fields(chat))
    certain |= {past for place in certain if (past := _past_particles(text, place)) != place}
    fields |= {past for place in fields if (past := _past_particles(text, place)) != place}
    mailboxes = "|".join(_LOCAL_PART.findall(chat.lower)) if "@" in text else ""
    found: list[tuple[int, int]] = []
    for run in capital_runs(text):
        if mailboxes:
            run = [_as_in_mailbox(word, mailboxes) for word in run]
        for start, end in _names_in(chat, run, certain, fields, personal):
            start = _with_particles(text, start, certain, fields)
            found.append((start, end))
            yield IdentifierSpan("person", start, end)
    if chat.unspaced or chat.hangul:
        for place in fields:
            match = _UNSPACED_VALUE.match(text, place)
            if match is not None:
                yield IdentifierSpan("person", *match.span())
    greeted = {gap.end() for label in _GREETINGS.find(chat) if (gap := _PHRASE_GAP.match(text, label.end))}
    for place in certain | fields | greeted:
        if place < len(text) and text[place].islower():
            end = _small_name(text, place, place in certain, place in fields)
            if end:
                found.append((place, end))
                yield IdentifierSpan("person", place, end)
    yield from _mentioned_again(text, found)


_LEADING_PARTICLES = re.compile(
    r"(?:(?:van|von|de|den|der|del|della|di|da|dos|das|du|la|le|los|las|'t|ter|ten|zu|zum|af|av|al|el|bin"
    r"|ibn)[ ]){1,3}"
)
_PARTICLES_BEFORE = re.compile(
    r"(?<![^\s\"'`])(?:(?:van|von|de|den|der|del|della|di|da|dos|das|du|la|le|los|las|'t|ter|ten|zu|zum"
    r"|af|av)[ ]){1,3}$"
)


def _past_particles(text: str, place: int) -> int:
    match = _LEADING_PARTICLES.match(text, place)
    return match.end() if match else place


def _with_particles(text: str, start: int, certain: set[int], fields: set[int]) -> int:
    """`van der Berg` from its particles on, where a field or a title says that a name begins there."""
    match = _PARTICLES_BEFORE.search(text, max(0, start - 18), start)
    if match is None:
        return start
    told = (
        match.start() in certain
        or match.start() in fields
        or _titled(text[: match.start()].lower()[-16:], min(16, match.start()))
    )
    return match.start() if told else start


_LOCAL_PART = re.compile(r"([^\W\d_][\w.+-]{2,40})@")


def _as_in_mailbox(word: Word, mailboxes: str) -> Word:
    """A word that a mail address of the text is made of is somebody's name: `Vedhika … vedhika@…`."""
    if len(word.key) < 4 or word.lexeme.word >= 11 or word.key not in mailboxes:
        return word
    return word._replace(
        lexeme=word.lexeme._replace(first=max(9, word.lexeme.first), last=max(9, word.lexeme.last), word=0),
        first=max(9, word.first),
        last=max(9, word.last),
    )


def _fields(chat: ChatText) -> Iterator[int]:
    """Where the values of form fields and keys begin that hold names."""
    text, lower = chat.text, chat.lower
    for sign in _SIGN.finditer(text):
        if FIELDS.ends_at(lower, sign.start()):
            yield sign.end()


_UNSPACED_VALUE = re.compile(
    r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af々·・ \u3000]{1,10}(?=[\"'”」』,，;\n|)\]}<]|$)"
)
_SIGN = re.compile(r"(?:[:=|]|=>|->|(?<= )[-–—](?= ))[ \t]{0,4}\n?[\"'`*_\[({<]{0,4}[ \t]{0,2}")
_PHRASE_GAP = re.compile(r"[\s,:;.!\"'“„«*_–—(-]{1,6}")


def _names_in(
    chat: ChatText, run: list[Word], certain: set[int], fields: set[int], personal: bool
) -> Iterator[tuple[int, int]]:
    text, place = chat.text, 0
    while (
        len(run) - place > 1
        and (HINTS.holds(run[place].key) or GREETED.holds(run[place].key))
        and run[place].lexeme.first < 12
    ):
        place += 1
    tail = run[-1].key
    thing = len(run) > 1 and tail in NOT_PERSON_TAILS
    while place < len(run):
        word = run[place]
        # Titles: `Dr. med. Anna Weber`.
        titled = place
        while (
            titled < len(run)
            and run[titled].key in TITLES
            and (
                run[titled].key not in WEAK_TITLES
                or text[run[titled].end : run[titled].end + 1] == "."
                or len(run) - titled == 2
            )
        ):
            titled += 1
        if titled > place and titled < len(run):
            length = _extent(run, titled, 4)
            if length and not (run[titled].lexeme.word >= 11 and run[titled].last < 3 and length == 1):
                yield run[titled].start, run[titled + length - 1].end
                place = titled + length
                continue
        if _titled(chat.lower, word.start):
            length = _extent(run, place, 4)
            if length:
                yield word.start, run[place + length - 1].end
                place += length
                continue
        if word.start in certain:
            length = _extent(run, place, 5)
            if length and not (length == 1 and word.lexeme.word >= 12 and word.first < 2):
                yield word.start, run[place + length - 1].end
                place += length
                continue
        is_field = word.start in fields
        if is_field and _SURE_FIELDS.ends_at(chat.lower, _before_sign(text, word.start)):
            length = _extent(run, place, 5)
            if length and (length > 1 or word.lexeme.word < 12):
                yield word.start, run[place + length - 1].end
                place += length
                continue
        length = 0
        if not is_field and (town := _town_words(run, place)):
            place += town
            continue
        plausible = (
            max(word.lexeme.first, word.lexeme.last) >= 2
            or word.end - word.start == 1
            or not any(word.lexeme[:3])
        )
        plausible &= word.lexeme.word < 13 or word.first > 0
        if is_field or (not thing and plausible):
            lower = chat.lower
            greeted = GREETED.ends_at(lower, word.start)
            strongly = greeted or ROLES.ends_at(lower, word.start)
            hinted = strongly or HINTS.ends_at(lower, word.start)
            length = name_length(text, run, place, Evidence(hinted, strongly, greeted, is_field, personal))
        if length:
            yield word.start, run[place + length - 1].end
        place += length or 1


def _town_words(run: list[Word], place: int) -> int:
    """How many words from `place` on are together a place (San Francisco), 0 for none."""
    if place + 1 >= len(run) or run[place].first >= 9:
        return 0
    for length in (3, 2):
        words = run[place : place + length]
        if len(words) == length and gazetteer().lexeme(" ".join(word.key for word in words)).place:
            return length
    return 0


_TITLE_BEFORE = re.compile(
    r"(?<![^\W_])([^\W\d_]{1,12})\.?(?:[ ]ssa\.?|\.ssa\.?)? (?:(?:van|von|de|den|der|del|della|di|da|du"
    r"|la|le|ter|ten|'t|zu) ){0,3}$"
)
_SMALL_TITLES = frozenset(
    "doctor doctora dottor dottore dottoressa docteur docteure doutor doutora dokter doktor señor señora"
    " señorita signor signora signorina senhor senhora herr frau monsieur madame mademoiselle meneer"
    " mevrouw pan pani pana panią panem panu mr mrs ms dr prof professor professeur profesor profesora"
    " professore professoressa sr sra srta dott dra dhr mevr mme mlle lic"
    " доктор доктора доктору доктором господин госпожа госпожи господина господину профессор врач bay"
    " bayan sayın fru fröken maestro maestra don doña".split()
)


def _titled(lower: str, start: int) -> bool:
    match = _TITLE_BEFORE.search(lower, max(0, start - 30), start)
    return match is not None and match.group(1) in _SMALL_TITLES


def _extent(run: list[Word], place: int, most: int) -> int:
    """How many words of a name that surely begins here: until a word that is no part of names."""
    length = 0
    for word in run[place : place + most]:
        if word.key in PARTICLE_WORDS and place + length + 1 < len(run):
            length += 1
            continue
        if length:
            ordinary = word.lexeme.word >= 10 and word.last < 1 and word.first < 1
        else:
            ordinary = word.lexeme.word >= 12 and max(word.lexeme.first, word.lexeme.last) < 4
        if ordinary or word.key in NOT_PERSON_TAILS and length:
            break
        if length == 0 and word.end - word.start == 1 and place + 1 >= len(run):
            break
        length += 1
    return length


def _before_sign(text: str, place: int) -> int:
    while place and not text[place - 1].isalnum():
        place -= 1
    return place


def _small_name(text: str, place: int, certain: bool, is_field: bool) -> int:
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
        position = _past_particles(text, end + 1)
    return end


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


def _mentioned_again(text: str, found: list[tuple[int, int]]) -> Iterator[IdentifierSpan]:
    """Parts of full names where they stand alone: `Harriet Whitcombe … Harriet …`."""
    parts: set[str] = set()
    for start, end in found:
        words = text[start:end].split()
        if len(words) > 1:
            parts |= {word for word in (words[0], words[-1]) if len(word) > 2 and word[0].isupper()}
    for part in sorted(parts)[:50]:
        lexeme = gazetteer().lexeme(part.casefold())
        if lexeme.word >= 9:
            continue
        place = text.find(part)
        while place >= 0:
            end = place + len(part)
            if not (place and (text[place - 1].isalnum() or text[place - 1] in "_@./")) and not (
                end < len(text) and (text[end].isalnum() or text[end] in "_@(")
            ):
                yield IdentifierSpan("person", place, end)
            place = text.find(part, end)
