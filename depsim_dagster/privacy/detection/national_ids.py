"""Numbers that a state gives to a person and that prove themselves by form and check digits (python-stdnum).

Where form and checks are weak (nine plain digits pass a check by chance once in eleven), the number must stand in a
context; those are privacy/detection/labelled_numbers.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from importlib import import_module

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_MY_NUMBER = "My Number of Japan"  # not in stdnum
# (pattern, stdnum module that must find it valid or None, how many digits the numbers have that it consists of). All are
# tried only around long numbers, and only where numbers of these lengths stand; without lengths everywhere.
_B, _A = r"(?<![\w+])(?<!\w[.-])", r"(?![\w]|[-.]\d)"


def _p(body: str) -> re.Pattern[str]:
    return re.compile(f"{_B}(?:{body}){_A}", re.ASCII)


_LETTERLESS: tuple[tuple[re.Pattern[str], str | None, str], ...] = (
    (_p(r"\d{3}-\d{2}-\d{4}"), None, "3 2 4"),  # SSN, ITIN of the USA
    (_p(r"(?!000|666)[0-8]\d\d (?!00)\d\d (?!0000)\d{4}"), None, "3 2 4"),
    (_p(r"\d{3}\.\d{3}\.\d{3}[-.]\d{2}"), None, "3 2"),  # CPF
    (_p(r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}"), None, "2 3 4"),  # CNPJ
    (_p(r"756\.\d{4}\.\d{4}\.\d{2}"), None, "3 4 2"),  # AHV
    (_p(r"\d{3}-\d{3}-\d{3} \d{2}"), None, "3 2"),  # SNILS
    (_p(r"\d{2}\.\d{2}\.\d{2}[-.]\d{3}[-.]\d{2}"), None, "2 3"),  # Belgium
    (_p(r"784-?\d{4}-?\d{7}-?\d"), None, ""),  # Emirates
    (_p(r"\d{6}-[1-8]\d{6}"), None, "6 7"),  # RRN
    (_p(r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}(?![ -]\d{4})"), "in_.aadhaar", "4"),
    (_p(r"\d{4} \d{4} \d{4}(?! \d{4})"), _MY_NUMBER, "4"),
    (_p(r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}"), "fr.nir", ""),
    (_p(r"\d{6}[-+]\d{4}|(?:19|20)\d{6}[-+]?\d{4}"), "se.personnummer", "6 4|8 4|12"),
    (_p(r"[0-3]\d[01]\d{3}[- ]?\d{4}"), "dk.cpr", "6 4|10"),
    (_p(r"[0-7]\d[0-9]\d{3} ?\d{5}"), "no.fodselsnummer", "6 5|11"),
    (_p(r"\d{11}"), "pl.pesel", "11"),
    (_p(r"[1-9]\d{10}"), "tr.tckimlik", "11"),
    (_p(r"\d{11}"), "br.cpf", "11"),
    (_p(r"\d{11}"), "de.idnr", "11"),
    (_p(r"\d{11}"), "hr.oib", "11"),
    (_p(r"\d{11}"), "ee.ik", "11"),
    (_p(r"[1-8]\d{12}"), "ro.cnp", "13"),
    (_p(r"\d{2}[01]\d[0-3]\d{8}"), "za.idnr", "13"),
    (_p(r"\d{6}/\d{3,4}"), "cz.rc", "6 3|6 4"),
    (_p(r"\d{2}-\d{8}-\d"), "ar.cuit", "2 8 1"),
    (_p(r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]"), None, "3"),  # RUT
    (_p(r"[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[\dXx]"), "cn.ric", "17|18"),
    (_p(r"\d{3}-\d{3}-\d{3}"), "ca.sin", "3"),
    (_p(r"\d{8}-[\dkK]"), "cl.rut", "8"),
    (_p(r"\d{4} \d{5} \d"), None, "4 5 1"),
)
_LETTERED: tuple[tuple[re.Pattern[str], str | None, str], ...] = (
    (_p(r"\d{8}[ -]?[A-Za-z]"), "es.dni", "8"),
    (_p(r"[XYZxyz][ -]?\d{7}[ -]?[A-Za-z]"), "es.nie", "7"),
    (
        _p(
            r"[A-Za-z]{3} ?[A-Za-z]{3} ?[0-9L-Vl-v]{2}[ABCDEHLMPRSTabcdehlmprst][0-9L-Vl-v]{2} ?"
            r"[A-Za-z][0-9L-Vl-v]{3}[A-Za-z]"
        ),
        None,
        "",
    ),  # codice fiscale
    (
        _p(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
        None,
        "",
    ),  # NINO
    (_p(r"[A-Z]{5}\d{4}[A-Z]"), None, "4"),  # PAN of India
    (_p(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d"), None, "6"),  # CURP
    (_p(r"[A-ZÑ&]{4}\d{6}[A-Z0-9]{3}"), "mx.rfc", "6|7|8|9"),
    (_p(r"[STFGMstfgm]\d{7}[A-Za-z]"), None, "7"),  # NRIC
    (_p(r"[A-Z]{1,2}\d{6}\([0-9A]\)"), None, "6"),  # HKID
    (_p(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]"), "fi.hetu", "6 3|6 4"),
    (_p(r"\d{7}[A-W][A-IW]?"), "ie.pps", "7"),
    (_p(r"[A-Z][12]\d{8}"), None, "9"),  # Taiwan
    (_p(r"\d{2}-?\d{6}-?\d?[A-Z]\d{2}"), None, "2"),
    (_p(r"\d{9}[VXvx]"), None, "9"),  # Sri Lanka
)
_ZH_ID = re.compile(
    r"(?<![0-9A-Za-z])[1-9]\d{5}(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[\dXx](?![0-9A-Za-z])", re.ASCII
)
_RUN = re.compile("[0-9]+")
_DIGIT_BESIDE_LETTER = re.compile(r"[A-Za-z)][ -]?\d|\d[ -]?[A-Za-z(]")


def find_national_ids(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Identity, social security and tax numbers of persons."""
    text = chat.text
    for start, end in chat.number_windows:
        for match in _ZH_ID.finditer(text, start, end):
            if _is_valid("cn.ric", match.group()):
                yield IdentifierSpan("national_id", *match.span())
        runs = frozenset(map(len, _RUN.findall(text, start, end)))
        lettered = _DIGIT_BESIDE_LETTER.search(text, start, end) is not None
        for pattern, module in _of_lengths(runs, lettered):
            for match in pattern.finditer(text, start, end):
                if module is None or _is_valid(module, match.group()):
                    yield IdentifierSpan("national_id", *match.span())


@lru_cache(maxsize=1 << 12)
def _of_lengths(runs: frozenset[int], lettered: bool) -> list[tuple[re.Pattern[str], str | None]]:
    """The patterns that numbers of these lengths can match."""
    return [
        (pattern, module)
        for pattern, module, needs in (*_LETTERLESS, *(_LETTERED if lettered else ()))
        if any(runs.issuperset(map(int, lengths.split())) for lengths in needs.split("|"))
    ]


def _is_valid(module: str, value: str) -> bool:
    return _is_my_number(value) if module == _MY_NUMBER else _check_of(module)(value)


@cache
def _check_of(module: str) -> Callable[[str], bool]:
    try:
        return import_module(f"stdnum.{module}").is_valid
    except ImportError:
        return lambda value: False


def _is_my_number(value: str) -> bool:
    """Check digit of Japan's individual numbers: weights 2…7, 2…6 from the right."""
    digits = [int(character) for character in value if character.isdigit()]
    weighted = sum(
        digit * (place + 2 if place < 6 else place - 4) for place, digit in enumerate(reversed(digits[:11]))
    )
    return digits[11] == (0 if weighted % 11 <= 1 else 11 - weighted % 11)
