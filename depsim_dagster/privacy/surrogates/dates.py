"""Dates and ages: another valid date in the same writing, near in time for a date, of the same decade for a birth date.

A date is read into its parts; the generator gets the year (a birth date's decade) and which of the numbers must stay
below 13 because the writing does not tell day from month, never day and month themselves.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from depsim_dagster.privacy.surrogates.shapes import WORD, folded, visible

# Language → its months as they stand in a date; abbreviations are their first three or more letters.
MONTHS: dict[str, tuple[str, ...]] = {
    language: tuple(names.split())
    for language, names in {
        "en": "January February March April May June July August September October November December",
        "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "nl": "januari februari maart april mei juni juli augustus september oktober november december",
        "sv": "januari februari mars april maj juni juli augusti september oktober november december",
        "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "uk": "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
        "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
        "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
        "ar": "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
        "hi": "जनवरी फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर",
    }.items()
}
WEEKDAYS: dict[str, tuple[str, ...]] = {
    language: tuple(names.split())
    for language, names in {
        "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "es": "lunes martes miércoles jueves viernes sábado domingo",
        "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "ru": "понедельник вторник среда четверг пятница суббота воскресенье",
    }.items()
}
_MONTH_OF: dict[str, tuple[str, int]] = {}
for _language, _names in MONTHS.items():
    for _number, _name in enumerate(_names, 1):
        for _length in (len(_name), *((3, 4) if len(_name) > 3 else ())):
            _MONTH_OF.setdefault(folded(_name)[:_length], (_language, _number))
_WEEKDAY_OF = {
    folded(name): (language, place)
    for language, names in WEEKDAYS.items()
    for place, name in enumerate(names)
}
_TOKEN = re.compile(rf"\d+|{WORD.pattern}")
NEAR_YEARS = 2


@dataclass(frozen=True)
class ReadDate:
    """A date: what a generator may know of it, what tells it from others, and how it is written.

    `known` is `year:weekday:low` with `?` for what the writing does not give; `low` says that day and month cannot be
    told apart. `identity` is ISO-like, the same for every writing of the date. `write` puts a drawn date in its place.
    """

    known: str
    identity: str
    write: Callable[[dt.date], str]


def read_date(original: str) -> ReadDate | None:
    """The date that a text is, or None. Numbers of a time of day stay as they are."""
    text = visible(original)
    parts = [part for part in _TOKEN.finditer(text) if not _is_of_a_time(text, part)]
    compact = _compact(text, parts)
    if compact is not None:
        return compact
    roles, found = _roles([part.group() for part in parts])
    if not _is_plausible(found):
        return None
    spans = [(parts[place].span(), role) for place, role in sorted(roles.items())]
    numbers = [text[start:end] for (start, end), role in spans if role in ("day", "month")]
    padded = any(number[0] == "0" for number in numbers) or (
        "month_name" not in roles.values() and all(len(number) == 2 for number in numbers)
    )

    def write(date: dt.date) -> str:
        pieces, position = [], 0
        for (start, end), role in spans:
            pieces += [text[position:start], _written(role, text[start:end], date, padded)]
            position = end
        return "".join([*pieces, text[position:]])

    year, month, day = (found.get(part) or "?" for part in ("year", "month", "day"))
    known = f"{year}:{found.get('weekday', '?')}:{found.get('low', 0)}"
    return ReadDate(known, f"{year}-{month}-{day}", write)


def _is_of_a_time(text: str, part: re.Match[str]) -> bool:
    return part.group().isdecimal() and ":" in (
        text[part.start() - 1 : part.start()],
        text[part.end() : part.end() + 1],
    )


def _roles(tokens: list[str]) -> tuple[dict[int, str], dict[str, int]]:
    """(place of a token → what it says, what was said): day, month, year, weekday; `low` as in ReadDate."""
    roles: dict[int, str] = {}
    found: dict[str, int] = {}

    def take(place: int, role: str, name: str, value: int) -> None:
        roles[place], found[name] = role, value

    numbers = []
    for place, token in enumerate(tokens):
        if token.isdecimal() and len(token) == 4 and "year" not in found:
            take(place, "year", "year", int(token))
        elif token.isdecimal():
            numbers.append(place)
        elif folded(token) in _MONTH_OF and "month" not in found:
            take(place, "month_name", "month", _MONTH_OF[folded(token)][1])
        elif folded(token) in _WEEKDAY_OF:
            take(place, "weekday", "weekday", _WEEKDAY_OF[folded(token)][1])
    values = [int(tokens[place]) for place in numbers]
    if "month" in found:
        if values:
            take(numbers[0], "day", "day", values[0])
        if "year" not in found and len(values) > 1:
            take(numbers[1], "short_year", "year", _full_year(values[1]))
    elif len(values) >= 2:
        year_first = roles.get(0) == "year"
        if "year" not in found and len(values) > 2:
            take(numbers[2], "short_year", "year", _full_year(values[2]))
        first, second = values[:2]
        month_first = year_first or (second > 12 and first <= 12)
        found["low"] = int(not year_first and first <= 12 and second <= 12)
        order = ("month", "day") if month_first else ("day", "month")
        for place, value, role in zip(numbers, values, order, strict=False):
            take(place, role, role, value)
    return roles, found


def draw_date(kind: str, known: str, random: Random) -> dt.date:
    """A date within two years of a `date`, of the decade of a `birth_date`; `known` as in ReadDate."""
    given, weekday, low = known.split(":")
    year = int(given) if given != "?" else 2024
    if kind == "birth_date" and given != "?":
        first = year // 10 * 10
        years = (first, min(first + 9, year) if year >= 2020 else first + 9)
    else:
        years = (max(year - NEAR_YEARS, dt.MINYEAR), min(year + NEAR_YEARS, dt.MAXYEAR))
    while True:
        drawn_year, month = random.randint(*years), random.randint(1, 12)
        day = random.randint(1, 12 if low == "1" else calendar.monthrange(drawn_year, month)[1])
        date = dt.date(drawn_year, month, day)
        if weekday in ("?", str(date.weekday())):
            return date


def draw_age(digits: int, random: Random) -> str:
    """An age over 89 of two or three digits."""
    return str(random.randint(90, 99) if digits < 3 else random.randint(100, 109))


def _compact(text: str, parts: list[re.Match[str]]) -> ReadDate | None:
    """Eight digits in a row: 19850312 or 12031985."""
    if len(parts) != 1 or not re.fullmatch(r"[0-9]{8}", parts[0].group()):
        return None
    digits, start, end = parts[0].group(), *parts[0].span()
    for pattern in ("%Y%m%d", "%d%m%Y", "%m%d%Y"):
        try:
            date = dt.datetime.strptime(digits, pattern).date()
        except ValueError:
            continue
        if 1900 <= date.year <= 2100:
            return ReadDate(
                f"{date.year}:?:0",
                f"{date.year}-{date.month}-{date.day}",
                lambda drawn, pattern=pattern: text[:start] + drawn.strftime(pattern) + text[end:],
            )
    return None


def _is_plausible(found: dict[str, int]) -> bool:
    if len({"day", "month", "year"} & found.keys()) < 2:
        return False
    in_range = 1 <= found.get("month", 1) <= 12 and 1 <= found.get("day", 1) <= 31
    return in_range and 1000 <= found.get("year", 2000) <= 3000


def _full_year(value: int) -> int:
    """A year of two digits: up to 30 it is of this century."""
    return value if value > 99 else value + (2000 if value <= 30 else 1900)


def _written(role: str, before: str, date: dt.date, padded: bool) -> str:
    if role == "month_name":
        return _named(MONTHS[_MONTH_OF[folded(before)][0]][date.month - 1], before)
    if role == "weekday":
        return before  # the drawn date is the same day of the week
    number = {"year": date.year, "short_year": date.year % 100, "day": date.day, "month": date.month}[role]
    return f"{number:02d}" if padded or role == "short_year" else str(number)


def _named(name: str, before: str) -> str:
    """A month's name as long or as short, and in the case, of the one before it."""
    if (
        folded(before) not in {folded(full) for names in MONTHS.values() for full in names}
        or len(before) == 3
    ):
        name = name[: max(3, min(len(before), 4))]
    return (
        name.upper() if before.isupper() else name.lower() if before.islower() else name[0].upper() + name[1:]
    )
