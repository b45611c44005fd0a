"""Names of persons in scripts with capitals: gazetteer scores for runs of capital words, and the words around them.

Almost anything is a name behind `my name is` and in a field for names; elsewhere name_scores.py decides. Names are also
searched in small letters where they are announced, and again where the text repeats their parts. Public figures are
not told apart: recall comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.capital_words import (
    PARTICLE_WORDS,
    Word,
    capital_runs,
)
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable, PhraseSet, words_before
from depsim_dagster.privacy.detection.name_scores import (
    FIELDS,
    GREETED,
    HINTS,
    ROLES,
    Evidence,
    name_length,
)
from depsim_dagster.privacy.detection.name_words import (
    NOT_PERSON_TAILS,
    PERSON_PHRASES,
    TITLES,
    WEAK_TITLES,
)
from depsim_dagster.privacy.detection.public_names import PUBLIC_FIRST_WORDS, PUBLIC_NAMES
from depsim_dagster.privacy.detection.small_names import (
    PHRASE_GAP,
    behind_relations,
    past_particles,
    small_name,
    small_relative,
    told_of,
)

_INTRODUCTIONS = LabelTable({"introduction": PERSON_PHRASES["introduction"]})
_GREETINGS = LabelTable({"greeting": PERSON_PHRASES["greeting"]})
_SURE_FIELDS = PhraseSet(PERSON_PHRASES["sure field"])


def find_names(chat: ChatText, personal: bool = False) -> Iterator[IdentifierSpan]:
    """Names of persons. `personal`: the text speaks of a person for other reasons, so that less evidence is enough."""
    text = chat.text
    certain = {gap.end() for label in _INTRODUCTIONS.find(chat) if (gap := PHRASE_GAP.match(text, label.end))}
    fields = set(_fields(chat))
    certain |= {past for place in certain if (past := past_particles(text, place)) != place}
    fields |= {past for place in fields if (past := past_particles(text, place)) != place}
    mailboxes = "|".join(_LOCAL_PART.findall(chat.lower)) if "@" in text else ""
    titles = chat.has_any(_SMALL_TITLES)
    found: list[tuple[int, int]] = []
    for run in capital_runs(text):
        if len(run) == 1 and _is_no_name(chat.lower, run[0], certain, fields):
            continue
        if mailboxes:
            run = [_as_in_mailbox(word, mailboxes) for word in run]
        for start, end in _names_in(chat, run, certain, fields, personal, titles):
            start = _with_particles(text, start, certain, fields)
            found.append((start, end))
            yield IdentifierSpan("person", start, end)
    if chat.unspaced or chat.hangul:
        for place in fields:
            match = _UNSPACED_VALUE.match(text, place)
            if match is not None:
                yield IdentifierSpan("person", *match.span())
    greeted = {gap.end() for label in _GREETINGS.find(chat) if (gap := PHRASE_GAP.match(text, label.end))}
    related = set(behind_relations(chat))
    for place in certain | fields | greeted | related:
        if place < len(text) and text[place].islower():
            if place in related or place in greeted and place not in certain:
                end = small_relative(text, place) or small_name(text, place, False, place in fields)
            else:
                end = small_name(text, place, place in certain, place in fields)
            if end:
                found.append((place, end))
                yield IdentifierSpan("person", place, end)
    for match in _FILED.finditer(text):
        last, first = (gazetteer().lexeme(match.group(part).casefold()) for part in (1, 2))
        if (last.last >= 3 or first.first >= 5) and max(last.word, first.word) < 11 and not last.place > 11:
            found.append(match.span())
            yield IdentifierSpan("person", match.start(), match.end(2))
    for start, end in told_of(chat):
        found.append((start, end))
        yield IdentifierSpan("person", start, end)
    yield from _mentioned_again(text, found)


# As files of patients begin: `BAPTISTE, MARCELINE 44F`, `OKAFOR,NNEKA`.
_FILED = re.compile(
    r"^[ \t]{0,4}([A-Z][A-Z'-]{1,20}),[ ]?([A-Z]{2,20})(?:[ ][A-Z]\.?)?(?=[ ]?$|[ ,]{1,3}(?:\d{1,3} ?(?:[FMfmyY]|-)|MRN|DOB|ACCT|SEX|AGE)\b)",
    re.MULTILINE,
)

_PARTICLES_BEFORE = re.compile(
    r"(?<![^\s\"'`])(?:(?:van|von|de|den|der|del|della|di|da|dos|das|du|la|le|los|las|'t|ter|ten|zu|zum"
    r"|af|av)[ ]){1,3}$"
)


_VALUES_OF_CODE = frozenset(("none", "null", "true", "false", "nil", "nan"))


def _is_no_name(lower: str, word: Word, certain: set[int], fields: set[int]) -> bool:
    """Whether _names_in would find nothing in a word that stands alone: a very common one that nothing announces."""
    start, _, _, lexeme, first, _ = word
    if word.end - start == 1 or word.key in _VALUES_OF_CODE:
        return True
    if lexeme.word < 11 or first >= 2 or start in certain or start in fields:
        return False
    return lexeme.word >= 12 and lexeme.first < 4 and lexeme.last < 4 or not _titled(lower, start)


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


def _names_in(
    chat: ChatText, run: list[Word], certain: set[int], fields: set[int], personal: bool, titles: bool
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
        if text[word.start : word.end + 2] in _ABBREVIATIONS:
            place += 2
            continue
        if (
            word.lexeme.word >= 12
            and word.lexeme.first < 2
            and word.lexeme.last < 2
            and word.start not in certain
            and word.start not in fields
            and word.key not in TITLES
        ):  # `The`, `Write`: no name begins here
            place += _town_words(run, place) or 1
            continue
        # Titles: `Dr. med. Anna Weber`.
        titled = place
        while (
            titled < len(run)
            and run[titled].key in TITLES
            and (
                run[titled].key not in WEAK_TITLES
                or text[run[titled].end : run[titled].end + 1] == "."
                or len(run) - titled == 2
                or (len(run) - titled == 3 and run[titled + 1].end - run[titled + 1].start == 1)
            )
        ):
            titled += 1
        if titled > place and titled < len(run):
            length = _extent(run, titled, 4)
            if length and not (run[titled].lexeme.word >= 11 and run[titled].last < 3 and length == 1):
                yield run[titled].start, run[titled + length - 1].end
                place = titled + length
                continue
        if titles and _titled(chat.lower, word.start):
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
        if not is_field and not personal and (public := _public_words(run, place)):
            place += public
            continue
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


_ABBREVIATIONS = frozenset("E.G I.E P.S U.S A.D B.C A.M P.M".split())


def _public_words(run: list[Word], place: int) -> int:
    """How many words from `place` on are together a famous name, 0 for none."""
    if run[place].key not in PUBLIC_FIRST_WORDS:
        return 0
    for length in range(min(4, len(run) - place), 1, -1):
        if " ".join(word.key for word in run[place : place + length]) in PUBLIC_NAMES:
            return length
    return 0


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
    if lower[start - 1 : start] != " ":
        return False
    if lower.isascii() and _SMALL_TITLES.isdisjoint(words_before(lower, start)):
        return False
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


def _mentioned_again(text: str, found: list[tuple[int, int]]) -> Iterator[IdentifierSpan]:
    """Parts of full names where they stand alone: `Harriet Whitcombe … Harriet …`."""
    parts: set[str] = set()
    for start, end in found:
        words = text[start:end].split()
        if len(words) > 1:
            parts |= {word for word in (words[0], words[-1]) if len(word) > 2 and word[0].isupper()}
        elif words and len(words[0]) > 3 and words[0].islower() and gazetteer().lexeme(words[0]).word < 4:
            parts.add(words[0])
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
