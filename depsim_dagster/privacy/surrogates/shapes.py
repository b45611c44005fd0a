"""What a generator learns of a personal detail: its shape, never its value.

`shape_of` turns an original into character classes; `Shape` is all that `surrogate_draws.draw` takes beside a seed, so
that no generator can copy what it never sees. What a shape keeps beyond classes is public by itself: a card's issuer
digit, an IBAN's country, the year or decade of a date, the scheme of a check digit.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from depsim_dagster.privacy.detection.unicode_folding import fold

# Class → the characters that a generator may put there. `1` is a digit that begins a number, `z` the zero that does.
ALPHABETS: dict[str, str] = {
    "a": "abcdefghijklmnopqrstuvwxyz",
    "A": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0": "0123456789",
    "1": "123456789",
    "z": "0",
    "б": "абвгдежзиклмнопрстуфхцчшюя",
    "Б": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЮЯ",
    "γ": "αβγδεζηθικλμνξοπρστυφχψω",
    "Γ": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ",
    "ב": "אבגדהוזחטיכלמנסעפצקרשת",
    "ب": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "क": "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "ক": "কখগঘচছজঝটঠডঢণতথদধনপফবভমযরলশষসহ",
    "த": "கசடதநபமயரலவளறன",
    "ก": "กขคงจชซดตถทธนบปผพฟมยรลวสหอ",
    "か": "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ",
    "カ": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ",
    "가": "강고구권김나남노동류명문민박배백병상서선성수신심아안양연영오용우원유윤은이인임장재전정조주지진창최하한현호홍",
    "字": (
        "安白波昌晨成春德东方丰福高光广国海和红花华吉嘉建江金进景静康兰立丽林龙梅"
        "美明南宁平青清庆秋泉仁荣山盛石松泰天文西祥新星兴雪阳永玉元远云泽振正志中"
    ),
}
# Script → (class, class of its capitals), first character, last character. The order decides nothing: blocks are apart.
_BLOCKS: tuple[tuple[str, str, str, str, str], ...] = (
    ("cyrillic", "б", "Б", "\u0400", "\u052f"),
    ("greek", "γ", "Γ", "\u0370", "\u03ff"),
    ("hebrew", "ב", "ב", "\u0590", "\u05ff"),
    ("arabic", "ب", "ب", "\u0600", "\u077f"),
    ("devanagari", "क", "क", "\u0900", "\u097f"),
    ("bengali", "ক", "ক", "\u0980", "\u09ff"),
    ("tamil", "த", "த", "\u0b80", "\u0bff"),
    ("thai", "ก", "ก", "\u0e00", "\u0e7f"),
    ("hiragana", "か", "か", "\u3040", "\u309f"),
    ("katakana", "カ", "カ", "\u30a0", "\u30ff"),
    ("hangul", "가", "가", "\uac00", "\ud7af"),
    ("han", "字", "字", "\u3400", "\u9fff"),
)
UNSPACED = frozenset({"han", "hiragana", "katakana", "hangul"})
# Signs that belong to the letter before them: accents, and the vowels of Semitic, Indic and Thai scripts.
MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0951-\u0957"
    "\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0b82\u0bbe-\u0bcd\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
)
WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{MARKS}])*")
WORD_OR_NUMBER = re.compile(rf"{WORD.pattern}|\d+")


class Shape(NamedTuple):
    """`kind`: which generator; `form`: a character class for each character that it writes; `locale`: Faker's name of
    one; `variant`: a public property of the original (issuer, country, scheme of check digits, year)."""

    kind: str
    form: str = ""
    locale: str = ""
    variant: str = ""


def shape_of(original: str, kind: str = "characters", locale: str = "", variant: str = "") -> Shape:
    """The shape of an original: each letter and digit as its class, every other character as it is."""
    return Shape(kind, form_of(original), locale, variant)


def form_of(original: str) -> str:
    """The character classes of a text: `Harriet 07` is `Aaaaaaa 00`."""
    if original.isascii():
        return _ASCII_NUMBER.sub(_number_class, original.translate(_ASCII_CLASSES))
    classes = []
    in_number = False
    for character in original:
        if character.isdecimal():
            classes.append("0" if in_number else "z" if character == "0" else "1")
            in_number = True
            continue
        in_number = False
        classes.append(_letter_class(character) if character.isalnum() else character)
    return "".join(classes)


_ASCII_NUMBER = re.compile("[0-9]+")
_ASCII_CLASSES = str.maketrans(
    string.ascii_letters, "a" * len(string.ascii_lowercase) + "A" * len(string.ascii_uppercase)
)


def _number_class(number: re.Match[str]) -> str:
    digits = number.group()
    return ("z" if digits[0] == "0" else "1") + "0" * (len(digits) - 1)


def script_of(text: str) -> str:
    """The script of a text's first letter: `latin` unless it is one of the others that have an alphabet here."""
    if text.isascii():
        return "latin"
    letter = next((character for character in text if character.isalpha()), "a")
    if letter < "\u0370":
        return "latin"
    return next((name for name, _, _, first, last in _BLOCKS if first <= letter <= last), "latin")


class _Folding(dict[int, str]):
    """Character → the characters that it is without case, accent and width; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if "\uac00" <= character <= "\ud7af":  # a Korean syllable, which would fall apart into its letters
            plain = character
        else:
            plain = "".join(
                part
                for part in unicodedata.normalize("NFKD", character).casefold()
                if (category := unicodedata.category(part)) != "Cf" and (category != "Mn" or part > "\u0900")
            )
        self[code] = plain
        return plain


FOLDING = _Folding()


def folded(text: str) -> str:
    """A text without case, accents and disguises: the same detail in another writing is equal."""
    if text.isascii():
        return text.lower()
    shadow = fold(text)
    return (shadow.text if shadow else text).translate(FOLDING)


def gender_of(word: str) -> str:
    """The gender that a Slavic name shows by its ending: `f` or `m`."""
    return "f" if folded(word).endswith(("a", "а", "я")) else "m"


def visible(text: str) -> str:
    """A text with disguises taken off: full width, invisible characters, letters of other scripts that look Latin."""
    if text.isascii():
        return text
    shadow = fold(text)
    plain = unicodedata.normalize("NFKC", shadow.text if shadow else text)
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


_UNCASED = "".join(sign for sign in map(chr, range(128)) if not sign.isalpha())


def written_like(original: str) -> Callable[[str], str]:
    """How the surrogate of a word is to be written: lower case, capitals or neither; in the signs of the original."""
    if original.isascii():
        if original.islower():
            return str.lower
        if original.isupper() and sum(map(str.isalpha, original)) > 1:
            return str.upper
        return _titled if original.lstrip(_UNCASED)[:1].isupper() else str
    cased = [character for character in visible(original) if character.lower() != character.upper()]
    if cased and all(character.islower() for character in cased):
        change = str.lower
    elif len(cased) > 1 and all(character.isupper() for character in cased):
        change = str.upper
    else:
        change = _titled if cased and cased[0].isupper() else str
    signs = signs_of(original)
    return change if signs is str else lambda drawn: signs(change(drawn))


def laid_out(original: str) -> Callable[[str], str]:
    """Writes a drawn value of letters and digits with the separators, the case and the signs of the original."""
    signs, layout = signs_of(original), visible(original)
    change = str.upper if layout.isupper() else str.lower

    def write(drawn: str) -> str:
        source = iter(change(drawn))
        written = "".join(
            next(source, "") if character.isalnum() else character for character in layout
        ) + "".join(source)
        return signs(written)

    return write


def signs_of(original: str) -> Callable[[str], str]:
    """Writes plain letters and digits full-width, or with the digits of another script, where the original is so."""
    if original.isascii():
        return str
    if any("\uff10" <= character <= "\uff5a" for character in original):
        return _full_width
    digit = next(
        (character for character in original if character.isdecimal() and not character.isascii()), None
    )
    if digit is None:
        return str
    zero = ord(digit) - unicodedata.decimal(digit)
    return lambda drawn: drawn.translate({ord(number): chr(zero + int(number)) for number in "0123456789"})


def _letter_class(letter: str) -> str:
    for _, small, capital, first, last in _BLOCKS:
        if first <= letter <= last:
            return capital if letter.isupper() else small
    return "A" if letter.isupper() else "a"


def _titled(drawn: str) -> str:
    return drawn[:1].upper() + drawn[1:]


def _full_width(text: str) -> str:
    return "".join(
        chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in text
    )
