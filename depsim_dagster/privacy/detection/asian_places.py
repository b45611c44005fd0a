"""Towns in scripts without capitals, where somebody is said to live, come from or be born: 住在成都, 仙台市に住む, 대구에 사는.

Only towns that the gazetteer knows: without the words around them they are geography, not a personal detail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_HAN = "\u4e00-\u9fff"
_CHINESE = re.compile(
    r"(?:我|他|她|们)?(?:住在|来自|家在|老家在|老家是|搬到|搬去|搬来|定居在|定居于|出生在|出生于|生于|现居)"
    r"|在(?=.{2,5}(?:上学|工作|生活|读书|上班|长大|出生|念书|打工))"
)
_JAPANESE = re.compile(
    rf"(?<![{_HAN}])((?:来週|来月|先月|先週|昨年|去年)?[{_HAN}]{{2,5}}?(?:[都府県][{_HAN}]{{1,4}}[市区町村])?)"
    r"(?=(?:に|へ)(?:住|引っ越|転勤|暮ら|在住)|で(?:生まれ|育|暮ら|働)|に生まれ|出身|在住|から(?:来|引))"
)
_WEEKS = re.compile("来週|来月|先月|先週|昨年|去年")
_KOREAN = re.compile(
    r"(?<![가-힣])([가-힣]{2,6}?)(?:시|군|구)?(?:에서|에|으로|로)? (?:사는|살고|살아|삽니다|살았|태어|이사|자랐|출신|거주)"
)
_DEVANAGARI = re.compile(
    "(?<![\u0900-\u097f])([\u0900-\u0963]{2,15}) (?:में (?:रह|जन्म|पैदा|बस|हुआ|\\d)|का रहने|की रहने|से हूँ|से हूं)"
)
_ARABIC = re.compile(
    r"(?:(?:أعيش|أسكن|ولدت|ولد|مقيم|مقيمة|ساكن|ساكنة|انتقلت|نسكن|يعيش|تعيش|يسكن|تسكن|أقيم) (?:في|إلى|بمدينة|ب)"
    r"|(?:أنا|انا|اسمي)[^.،\n]{0,40}? من(?: مدينة)?) ?([\u0621-\u064a]{2,12}(?: [\u0621-\u064a]{2,12})?)"
)


def find_asian_places(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Towns behind or before words of living and birth."""
    text = chat.text
    if chat.unspaced:
        for match in _CHINESE.finditer(text):
            yield from _longest(text, match.end(), 5)
        for match in _JAPANESE.finditer(text):
            start = match.start(1)
            week = _WEEKS.match(text, start)
            start = week.end() if week else start
            if _is_town(text[start : match.end(1)]):
                yield IdentifierSpan("place", start, match.end(1))
    if chat.hangul:
        for match in _KOREAN.finditer(text):
            if _is_town(match.group(1)):
                yield IdentifierSpan("place", *match.span(1))
    if chat.uncased:
        for match in _DEVANAGARI.finditer(text):
            if _is_town(match.group(1)):
                yield IdentifierSpan("place", *match.span(1))
        for match in _ARABIC.finditer(text):
            value = match.group(1)
            for candidate in (value, value.split(" ")[0]):
                if _is_town(candidate):
                    yield IdentifierSpan("place", match.start(1), match.start(1) + len(candidate))
                    break


def _longest(text: str, start: int, most: int) -> Iterator[IdentifierSpan]:
    for length in range(most, 1, -1):
        value = text[start : start + length]
        if len(value) == length and _is_town(value):
            yield IdentifierSpan("place", start, start + length)
            return


def _is_town(value: str) -> bool:
    """A town or a state, not a country."""
    lexeme_of = gazetteer().lexeme
    place = lexeme_of(value).place or (lexeme_of(value[:-1]).place if value[-1:] in "市县縣省区區" else 0)
    return 3 <= place < 15
