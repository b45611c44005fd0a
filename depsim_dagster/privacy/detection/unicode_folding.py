"""Disguises in Unicode: a shadow of the text in plain characters, with the way back to the offsets of the original.

Full-width and mathematical letters, zero-width and direction marks, soft hyphens, combining marks on plain letters and
letters of other scripts that look Latin are folded, and only in a text that has such characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Never seen: zero-width, joiners, direction marks, variation selectors, tags, soft hyphen, fillers.
_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f\U000e0100-\U000e01ef"
_SUSPICIOUS = re.compile(
    f"[{_INVISIBLE}\u0300-\u036f\u1dc0-\u1dff\u20d0-\u20ff\u2000-\u200a\u205f\uff0b\uff0e\uff10-\uff19\uff20-\uff3a\uff3f\uff41-\uff5a\u2070-\u209c\u2100-\u214f\u2460-\u24ff\u2776-\u2793\ufe6b\uff61\u2024\u2215\u2044\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff\ufb00-\ufb06]"
)
# Folded only in a text that is folded anyway; commas, colons and stops of Chinese stay what they are.
_WIDE_SIGNS = frozenset("（）［］－＿／＃＇＂～＄％＆＊＝")
_INVISIBLES = re.compile(f"[{_INVISIBLE}]")
# Cyrillic, Greek and others that look like Latin letters; folded where they stand beside Latin ones.
_LOOKALIKES = {
    **dict(zip("аеорсухіјѕһԁԛԝвкмнтьгԍѵҽɡꞓ", "aeopcyxijshdqwbkmhtbrgvegc", strict=True)),
    **dict(zip("АВЕКМНОРСТХІЈЅУԌԚԜҮ", "ABEKMHOPCTXIJSYGQWY", strict=True)),
    **dict(zip("αοερνικυτχωϲјѡ", "aoepvikutxwcjw", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ɑɩⅼⅰⅴⅹⅽⅾⅿօսոհզցքեԱՕՍᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "ailivxcdmounhqgpeUOUabcdefghijklmnoprstuvwyz", strict=True)),
}  # fmt: skip
_LOOKALIKE = re.compile("[" + "".join(_LOOKALIKES) + "]")
_LATIN = re.compile("[A-Za-z0-9]")


@dataclass(frozen=True)
class FoldedText:
    """`text` and, for each of its characters, where the original's begins and ends."""

    text: str
    starts: list[int]
    ends: list[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text whose shadow is text[start:end]."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> FoldedText | None:
    """The shadow, or None if the text has nothing disguised."""
    if text.isascii():
        return None
    suspicious = _SUSPICIOUS.search(text) is not None
    mixed = _mixed_places(text)
    if not suspicious and not mixed:
        return None
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for place, character in enumerate(text):
        if characters and unicodedata.combining(character):
            # A mark that makes a letter of its own goes into it; one that only disguises the letter goes.
            whole = unicodedata.normalize("NFC", characters[-1] + character)
            if len(whole) == 1:
                characters[-1] = whole
            elif not "\u0300" <= character <= "\u036f" and not characters[-1].isascii():
                characters.append(character)
                starts.append(place)
                ends.append(place)
            ends[-1] = place + 1
            continue
        for folded in _folded(character, place in mixed):
            characters.append(folded)
            starts.append(place)
            ends.append(place + 1)
    shadow = "".join(characters)
    return None if shadow == text else FoldedText(shadow, starts, ends)


def _folded(character: str, mixed: bool) -> str:
    if character < "\u0080":
        return character
    if mixed:
        return _LOOKALIKES[character]
    if _SUSPICIOUS.match(character) is None and character not in _WIDE_SIGNS:
        return character
    if _INVISIBLES.match(character):
        return ""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(character) == "Zs":
        return " "
    if "\U0001f130" <= character <= "\U0001f189":
        return chr(ord("A") + (ord(character) - 0x1F130) % 32 % 26)
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() else character


def _mixed_places(text: str) -> set[int]:
    """Places of lookalikes in words that also have Latin letters."""
    if _LOOKALIKE.search(text) is None:
        return set()
    places: set[int] = set()
    for match in re.finditer(r"[^\s,;!?()\[\]<>\"]+", text):
        word = match.group()
        if len(word) <= 200 and _LOOKALIKE.search(word) and _LATIN.search(word):
            letters = [c for c in word if c.isalpha()]
            latin = sum(c < "\u0250" or c in _LOOKALIKES for c in letters)
            if latin == len(letters) and any(c.isalpha() and c < "\u0080" for c in letters):
                places |= {match.start() + at for at, c in enumerate(word) if c in _LOOKALIKES}
    return places
