"""Whether a labelled detail is gone from a text, in part or whole.

The rule, in this order (case, width, zero-width characters and, for numbers, separators do not matter):

- left: the value stands in the output as a whole sequence of tokens, anywhere. A single word of another spelling
  (`mark` for Mark) and a value of one or two characters, or of up to three digits, count only in the detail's own place.
- partial: it does not, but in its own place
  - of a number or a key, six tenths of its characters (at least five) still stand in a row, or its last four digits;
  - of a date, two of its parts; of an IP address, more than half of its groups (a private network's prefix may stay);
  - of an e-mail address, a URL with credentials or a connection string, a word of the user, the password or the host;
    providers (gmail) and generic names do not count;
  - of anything else, one of its words that says something: three letters or more, no title, particle, kind of street
    or country; in scripts without spaces, two characters in a row (three of an address or an organisation).
- removed: neither. What it was replaced by does not matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

from depsim_dagster.privacy.scoring.alignment import TOKEN

Verdict = Literal["removed", "partial", "left"]

DATES = frozenset({"birth_date", "date"})
KEYS = frozenset(
    {
        "api_key",
        "password",
        "private_key",
        "crypto_wallet",
        "card",
        "iban",
        "bank_account",
        "national_id",
        "passport",
    }
    | {
        "driver_licence",
        "device_id",
        "vehicle_id",
        "medical_record",
        "licence_number",
        "account_number",
        "mac_address",
    }
)
MAILS = frozenset({"email", "url_with_credentials"})
_CONNECTION_VALUE = re.compile(
    r"(?i)(?:\b(?:user(?: ?id|name)?|uid|password|pwd|host|server|data source|accountkey)\s*=\s*|://)([^\s;&/?,]+)"
)
_DATE_PART = re.compile(r"\d+|[^\W\d]{3,}")  # not 年, de, of
_FIRM = re.compile("(?:有限|株式|合同|股份|责任|科技|公司|会社)+$")
_DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_WORDS = {word: str(digit) for digit, word in enumerate(_DIGIT_NAMES)}
_SPELLED = re.compile(rf"(?i)\b(?:{'|'.join(_DIGIT_WORDS)})(?:\s(?:{'|'.join(_DIGIT_WORDS)})){{3,40}}\b")
NUMBER_DIGITS = 5
LONG_VALUE = 200  # characters; a private key is not compared character by character

# Soft hyphen, zero-width and directional characters, variation selectors, the tag block.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff]"
)
# What a name may share with its surrogate: titles and particles.
_TITLES = frozenset(
    """
    mr mrs ms miss dr prof sir herr frau monsieur madame mme señor señora senhor senhora signor signora the and
    von van der den del des das dos los las les della dello degli bin ben ibn und
    """.split()  # noqa: SIM905 — a list of so many words is read more easily as a text
)
# What every other detail may, too: kinds of street and firm, countries, providers, schemes.
_GENERIC = _TITLES | frozenset(
    """
    street road avenue ave lane drive court place square way close crescent boulevard blvd suite apt apartment
    unit floor straße strasse str weg platz allee gasse ring ufer rue impasse chemin quai route calle avenida
    plaza paseo carrer camino rua travessa praça praca alameda rodovia via viale piazza corso vicolo strada
    largo ulica aleja laan straat plein kade gatan vägen gata sokak cadde mahallesi north south east west new
    old upper lower saint san santa são bad acceso callejón cañada cuesta glorieta pasaje pasadizo rambla ronda
    urbanización vial puerta piso escalera portal aeroporto área campo chácara colônia condomínio conjunto
    distrito esplanada estação estrada favela fazenda feira jardim ladeira lago lagoa loteamento morro núcleo
    parque passarela pátio praia quadra recanto residencial setor sítio trecho trevo vale vereda viaduto viela
    vila bloco apartamento appartamento piano borgo canale contrada incrocio rotonda stretto plac osiedle cad cd
    sk mah apartman hill lake port fort mount mt gardens terrace grove mews park caddesi sokağı bulvarı linkedin
    github gitlab facebook instagram twitter tiktok youtube medium profile profiles user users ohg kgaa mbh sat
    coop sociedad société asociados associados filhos hijos hermanos irmãos figli fils söhne zonen synowie dot
    punkt point punto ponto arroba arobase group groupe groep gruppe grupo gruppo stiftung holding partners
    associates solutions services brothers box postfach cedex building flat germany deutschland france spain
    españa italy italia portugal brazil brasil united kingdom states america usa england scotland wales ireland
    china japan 中国 日本 netherlands nederland poland polska russia india mexico méxico canada austria österreich
    switzerland schweiz suisse sweden sverige türkiye turkey korea inc ltd llc gmbh corp corporation company
    sons plc sarl sas spa srl ltda kg co ag http https ftp www com org net edu gov info io dev biz name pro xyz
    online shop site local localhost internal example postgres postgresql mysql mongodb redis amqp jdbc tcp srv
    host mail smtp git db database server api app gmail googlemail yahoo ymail hotmail outlook live msn icloud
    aol proton protonmail gmx web freenet arcor orange wanadoo laposte free libero virgilio tiscali terra uol
    bol globo yandex rambler naver daum hanmail 163 126 qq sina me mac pm email noos club sfr tele2 telenet
    ziggo
    """.split()  # noqa: SIM905 — a list of so many words is read more easily as a text
)


def normalised(text: str) -> str:
    """Without what a reader does not see: compatibility forms folded (full-width), invisible characters dropped."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


class Output:
    """An output, prepared to be searched for many values."""

    def __init__(self, text: str):
        self._text = _digits_of_words(normalised(text))

    @cached_property
    def _exact(self) -> str:
        return _spaced(_words(self._text))

    @cached_property
    def _folded(self) -> str:
        return self._exact.casefold()

    @cached_property
    def _compact(self) -> tuple[str, bytearray]:
        return _joined(self._text.casefold())

    def verdict(self, value: str, type_: str, place: str) -> Verdict:
        """What became of `value`, a detail of this type; `place` is what stands where it stood."""
        value, place = _digits_of_words(normalised(value)), _digits_of_words(normalised(place))
        words = _words(value)
        if not words:
            return "left" if value.strip() and value.strip() in self._text else "removed"
        compact = "".join(words).casefold()
        if self._is_whole(words, compact, place):
            return "left"
        return "partial" if _is_partial(words, compact, type_, value, place) else "removed"

    def _is_whole(self, words: list[str], compact: str, segment: str) -> bool:
        here = _spaced(_words(segment)).casefold()
        if _spaced(words).casefold() in here:
            return True
        if len(compact) < 3 or (compact.isdigit() and len(compact) < 4):
            return False
        if _is_number(compact):
            return _stands(compact, *self._compact)
        if len(words) == 1:
            return _spaced(words) in self._exact
        return _spaced(words).casefold() in self._folded


def _is_partial(words: list[str], compact: str, type_: str, value: str, segment: str) -> bool:
    left = _words(segment.casefold())
    if type_ in DATES:
        parts = [part for word in words for part in _DATE_PART.findall(word.casefold())]
        remaining = _DATE_PART.findall(" ".join(left))
        return len(parts) > 2 and sum(part in remaining for part in set(parts)) >= 2
    if type_ == "ip_address":
        kept = Counter(map(str.casefold, words)) & Counter(left)
        return 2 * kept.total() > len(words)
    if type_ == "connection_string":
        words = [word for named in _CONNECTION_VALUE.findall(value) for word in _words(named)]
        words = [word.casefold() for word in words if not word.isdigit()]
        return any(word in left and _says_something(word, type_) for word in words)
    if type_ in KEYS or _is_number(compact):
        row = _longest_row(compact, "".join(left))
        tail = compact[-4:]
        ends = len(compact) > 6 and tail.isdigit() and any(word.endswith(tail) for word in left)
        return row >= max(NUMBER_DIGITS, 0.6 * len(compact)) or ends
    if type_ in MAILS:
        # Scheme, port and path may stay: code that connects to it would be other code.
        value = re.sub(r"^[a-z][a-z0-9+.-]*://", "", value.casefold())
        value = re.split(r"[/?#]", value, maxsplit=1)[0]
        words = [word for word in _words(re.sub(r":\d{1,5}$", "", value)) if not word.isdigit()]
        words = words[:-1] if type_ == "email" else words
    remaining = set(left)
    if any(word in remaining and _says_something(word, type_) for word in map(str.casefold, words)):
        return True
    unspaced = _FIRM.sub("", "".join(word for word in words if len(word) == 1))
    if len(unspaced) < 2:
        return False
    shortest = 2 if type_ == "person" else 3
    return _longest_row(unspaced.casefold(), "".join(left)) >= max(shortest, 0.3 * len(unspaced))


def _says_something(word: str, type_: str) -> bool:
    return len(word) > 2 and word not in (_TITLES if type_ == "person" else _GENERIC)


def _is_number(compact: str) -> bool:
    digits = sum(character.isdigit() for character in compact)
    return digits >= NUMBER_DIGITS and 2 * digits >= len(compact)


def _words(text: str) -> list[str]:
    return [token for token in TOKEN.findall(text) if token.isalnum()]


def _digits_of_words(text: str) -> str:
    """`five five zero one two` is the number 5 5 0 1 2; a single word of a digit stays one."""
    return _SPELLED.sub(
        lambda run: " ".join(_DIGIT_WORDS[word.casefold()] for word in run.group().split()), text
    )


def _spaced(words: list[str]) -> str:
    return " " + " ".join(words) + " "


def _joined(text: str) -> tuple[str, bytearray]:
    """All letters and digits of a text in a row, and which of them follow the one before directly."""
    characters, glued, before = [], bytearray(), -2
    for place, character in enumerate(text):
        if character.isalnum():
            characters.append(character)
            glued.append(place == before + 1)
            before = place
    return "".join(characters), glued


def _stands(compact: str, text: str, glued: bytearray) -> bool:
    """Whether a number stands in the text with any separators; inside of a longer number it is another one."""
    place = text.find(compact)
    while place >= 0:
        end = place + len(compact)
        before = place > 0 and glued[place] and text[place - 1].isdigit() and compact[0].isdigit()
        after = end < len(text) and glued[end] and text[end].isdigit() and compact[-1].isdigit()
        if not before and not after:
            return True
        place = text.find(compact, place + 1)
    return False


def _longest_row(value: str, text: str) -> int:
    if max(len(value), len(text)) > LONG_VALUE:
        # Blocks of half the length that count: one of them stands in any row that is long enough.
        block = max(NUMBER_DIGITS, len(value) // 8)
        return (
            len(value)
            if any(value[place : place + block] in text for place in range(0, len(value) - block, block))
            else 0
        )
    return SequenceMatcher(None, value, text, autojunk=False).find_longest_match().size
