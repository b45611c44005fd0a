"""Numbers with check digits, drawn so that a form or a validator still accepts them. No function sees an original.

python-stdnum knows the schemes of national identifiers; it judges here what was drawn. (The gate's own scan judges
originals with it, which is another question.)
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import re
import string
from functools import cache
from importlib import import_module
from random import Random
from types import ModuleType

# Scheme → layout of its compact form. `0` any digit, `1` 1–9, `C` a consonant, `V` a vowel, `A` a letter, `m` the month as
# codice fiscale writes it, YYYY/YY, MM and DD a date, `?` a check digit and `@` a check letter, a region or a gender in
# braces a choice, `=` before a literal.
LAYOUTS: dict[str, str] = {
    "us.ssn": "000000000",
    "br.cpf": "000000000??",
    "br.cnpj": "00000000=0=0=0=1??",
    "es.dni": "00000000@",
    "es.nie": "{XYZ}0000000@",
    "it.codicefiscale": "CCCCCCYYmDD{ABCDEFGHIL}000@",
    "cn.ric": "{110101|310101|440104|330102|510104}YYYYMMDD000?",
    "in_.aadhaar": "{23456789}0000000000?",
    "in_.pan": "AAA=PA0000A",
    "de.idnr": "1000000000?",
    "fr.nir": "{12}YYMM{75|69|13|31|44}{001|050|055|123}000??",
    "nl.bsn": "10000000?",
    "pl.pesel": "YYMMDD0000?",
    "se.personnummer": "YYMMDD000?",
    "no.fodselsnummer": "DDMMYY000??",
    "dk.cpr": "DDMMYY0000",
    "fi.hetu": "DDMMYY=-{2345678}00@",
    "be.nn": "YYMMDD000??",
    "cz.rc": "YYMMDD000?",
    "ro.cnp": "{12}YYMMDD{12|23|35|40}000?",
    "bg.egn": "YYMMDD000?",
    "tr.tckimlik": "100000000??",
    "kr.rrn": "YYMMDD{12}00000?",
    "jp.in_": "00000000000?",
    "ru.inn": "0000000000??",
    "ua.rntrc": "000000000?",
    "gr.amka": "DDMMYY0000?",
    "hr.oib": "0000000000?",
    "lt.asmens": "{34}YYMMDD000?",
    "ee.ik": "{34}YYMMDD000?",
    "za.idnr": "YYMMDD0000=0=8?",
    "il.idnr": "00000000?",
    "pt.nif": "{12}0000000?",
    "ca.sin": "{1234567}0000000?",
    "au.tfn": "{12345678}0000000?",
    "gb.nhs": "{4567}00000000?",
    "ar.cuit": "{20|27}00000000?",
    "cl.rut": "{12}000000?",
    "mx.curp": "CVCCYYMMDD{HM}{DF|JC|NL}CCC0?",
    "ch.ssn": "=7=5=6000000000?",
}
# Language of the conversation → the countries whose schemes are tried first: many share a length.
COUNTRIES: dict[str, tuple[str, ...]] = {
    "en": ("us", "in_", "gb", "ca", "au", "za"),
    "pt": ("br", "pt"),
    "es": ("es", "mx", "ar", "cl"),
    "de": ("de", "ch"),
    "fr": ("fr", "be", "ca", "ch"),
    "it": ("it", "ch"),
    "zh": ("cn",),
    "hi": ("in_",),
    "nl": ("nl", "be"),
    "pl": ("pl",),
    "sv": ("se",),
    "no": ("no",),
    "nb": ("no",),
    "da": ("dk",),
    "fi": ("fi",),
    "cs": ("cz",),
    "sk": ("cz",),
    "ro": ("ro",),
    "bg": ("bg",),
    "tr": ("tr",),
    "ko": ("kr",),
    "ja": ("jp",),
    "ru": ("ru",),
    "uk": ("ua",),
    "el": ("gr",),
    "hr": ("hr",),
    "lt": ("lt",),
    "et": ("ee",),
    "he": ("il",),
}
_MONTHS_OF_CODICE = "ABCDEHLMPRST"
_CONSONANTS, _VOWELS = "BCDFGLMNPRSTV", "AEIOU"
_DRAWS = 40


def scheme_of(compact: str, language: str | None = None) -> str:
    """The national scheme whose check digits a number satisfies, the language's own countries first; empty for none."""
    if len(compact) == 9 and compact[0] in string.ascii_uppercase and compact[1:2].isalpha():
        return "gb.nino" if compact[2:8].isdigit() and compact[8] in "ABCD" else ""
    fitting = _schemes(len(compact), compact.isdigit())
    first = COUNTRIES.get((language or "en")[:2].lower(), ())
    return next(
        (
            scheme
            for scheme in sorted(fitting, key=lambda name: name.split(".")[0] not in first)
            if _module(scheme).is_valid(compact)
        ),
        "",
    )


def draw_national_id(scheme: str, random: Random) -> str:
    """A valid number of a scheme in its compact form."""
    if scheme == "gb.nino":
        first, second = random.choice("ABCEGHJKLMNPRSTWXYZ"), random.choice("ABCEGHJKLMPRSTWXYZ")
        return f"{first}{second}{random.randrange(10**6):06d}{random.choice('ABCD')}"
    if scheme == "de.idnr":
        return _german_tax_number(random)
    module = _module(scheme)
    for _ in range(_DRAWS):
        body = _filled(LAYOUTS[scheme], random)
        holes = [place for place, character in enumerate(body) if character in "?@"]
        choices = [string.digits + "KX" if body[hole] == "?" else string.ascii_uppercase for hole in holes]
        for checks in itertools.product(*choices):
            number = list(body)
            for hole, check in zip(holes, checks, strict=True):
                number[hole] = check
            if module.is_valid("".join(number)):
                return "".join(number)
    raise AssertionError("no valid number of a scheme in forty draws")


def draw_card(prefix: str, length: int, random: Random) -> str:
    """A number of `length` digits that begins with an issuer's prefix and passes the Luhn check."""
    body = prefix + _digits(random, length - len(prefix) - 1)
    return body + luhn_digit(body)


def luhn_digit(body: str) -> str:
    """The digit that completes `body` by ISO/IEC 7812-1."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::-2])
    return str(-(doubled + sum(map(int, body[-2::-2]))) % 10)


def draw_iban(country: str, form: str, random: Random) -> str:
    """An IBAN of a country; `form` are the character classes of the account part."""
    account = "".join(
        random.choice(string.ascii_uppercase if kind in "aA" else string.digits) for kind in form
    )
    rest = int("".join(str(int(character, 36)) for character in f"{account}{country}00")) % 97
    return f"{country}{98 - rest:02d}{account}"


def draw_routing_number(random: Random) -> str:
    """Nine digits with the ABA check digit."""
    body = f"{random.randint(1, 12):02d}" + _digits(random, 6)
    weighted = sum(int(digit) * weight for digit, weight in zip(body, (3, 7, 1) * 3, strict=False))
    return body + str(-weighted % 10)


def draw_vin(random: Random) -> str:
    """Seventeen characters with the check digit of ISO 3779 as North America uses it."""
    characters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    vin = [random.choice(characters) for _ in range(11)] + list(_digits(random, 6))
    vin[0], vin[9] = random.choice("12345JKLSVWZ"), random.choice("CDEFGHJKLMNPR")
    vin[8] = vin_check(vin)
    return "".join(vin)


def vin_check(vin: list[str] | str) -> str:
    """The ninth character that the others demand."""
    values = {
        letter: int(value)
        for letter, value in zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True)
    }
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(
        weight * (values[letter] if letter in values else int(letter))
        for letter, weight in zip(vin, weights, strict=True)
    )
    return "0123456789X"[total % 11]


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def draw_base58(version: int, length: int, random: Random) -> str:
    """An address of Bitcoin's older kinds with its check sum."""
    for _ in range(64):
        payload = bytes([version]) + random.randbytes(20)
        number = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
        value, written = int.from_bytes(number, "big"), ""
        while value:
            value, rest = divmod(value, 58)
            written = _BASE58[rest] + written
        written = "1" * (len(number) - len(number.lstrip(b"\0"))) + written
        if len(written) == length:
            break
    return written


def draw_bech32(prefix: str, version: int, length: int, random: Random) -> str:
    """A segwit address (BIP 173: version 0; BIP 350: later versions)."""
    data = [version] + [random.randrange(32) for _ in range(length - len(prefix) - 8)]
    data[-1] &= 0b10000 if length - len(prefix) - 8 > 32 else 0b11111  # unused bits are zero
    expanded = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    check = _polymod([*expanded, *data, *[0] * 6]) ^ (1 if version == 0 else 0x2BC830A3)
    data += [(check >> 5 * (5 - place)) & 31 for place in range(6)]
    return f"{prefix}1" + "".join(_BECH32[value] for value in data)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if (top >> place) & 1 else 0
    return check


def _filled(layout: str, random: Random) -> str:
    """A layout with everything but its check characters drawn."""
    born = dt.date(1945, 1, 1) + dt.timedelta(days=random.randrange(20_000))
    return "".join(_drawn(part, born, random) for part in _PARTS.findall(layout))


_OF_DATE = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d"}
_PARTS = re.compile(r"YYYY|YY|MM|DD|\{[^}]*\}|=.|.")


def _drawn(part: str, born: dt.date, random: Random) -> str:
    if part in _OF_DATE:
        return born.strftime(_OF_DATE[part])
    if part[0] == "{":
        choices = part[1:-1]
        return random.choice(choices.split("|") if "|" in choices else choices)
    if part[0] == "=":
        return part[1]
    if part == "m":
        return _MONTHS_OF_CODICE[born.month - 1]
    choices = {
        "0": string.digits,
        "1": string.digits[1:],
        "C": _CONSONANTS,
        "V": _VOWELS,
        "A": string.ascii_uppercase,
    }
    return random.choice(choices[part]) if part in choices else part


def _german_tax_number(random: Random) -> str:
    """Ten digits of which one occurs twice and one not at all, and the check digit of ISO 7064 modulo 11,10."""
    digits = random.sample(string.digits, 10)
    digits[random.randrange(1, 10)] = digits[0]
    random.shuffle(digits)
    while digits[0] == "0":
        random.shuffle(digits)
    body = "".join(digits)
    return next(
        (body + check for check in string.digits if _module("de.idnr").is_valid(body + check)),
        "",
    ) or _german_tax_number(random)


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices(string.digits, k=count))


@cache
def _schemes(length: int, numeric: bool) -> tuple[str, ...]:
    """Schemes whose compact form has so many characters, of digits only or not."""
    return tuple(
        scheme
        for scheme, layout in LAYOUTS.items()
        if sum(
            1 if part[0] != "{" else len(part[1:-1].split("|")[0]) if "|" in part else 1
            for part in _lengths(layout)
        )
        == length
        and (numeric or scheme in _WITH_LETTERS)
    )


_WITH_LETTERS = frozenset(
    ("es.dni", "es.nie", "it.codicefiscale", "cn.ric", "in_.pan", "fi.hetu", "mx.curp", "cl.rut")
)


def _lengths(layout: str) -> list[str]:
    """The parts of a layout, a date's as one part for each character."""
    return [
        character
        for part in _PARTS.findall(layout)
        for character in (part if part[0] in "YMD" else ["="] if part[0] == "=" else [part])
    ]


@cache
def _module(scheme: str) -> ModuleType:
    return import_module(f"stdnum.{scheme}")
