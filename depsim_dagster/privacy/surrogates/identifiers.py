"""Numbers that somebody was given: phones, cards, accounts, identity numbers, devices, vehicles, wallets.

What says whose numbering it is stays (a country, an issuer); check digits hold where the original's did.
"""

from __future__ import annotations

import re

from depsim_dagster.privacy.surrogates import numbers
from depsim_dagster.privacy.surrogates.shapes import Shape, form_of, laid_out, visible
from depsim_dagster.privacy.surrogates.slots import Slot, Template, canonical, plain
from depsim_dagster.privacy.surrogates.spelled_digits import spelled_like

_CALLING_CODES = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}")
_HEX = re.compile(r"[0-9a-fA-F]+")


def phone(type_: str, original: str, language: str | None) -> Template:
    """The country's code, the zero before a number at home and the first digit (mobile or not) stay."""
    text = visible(original)
    digits = canonical(type_, original)
    if not digits.isdecimal() or len(digits) < 5:
        return plain(type_, original, language)
    kept, rest = "", digits
    if text.lstrip("( ").startswith("+") or digits.startswith("00"):
        zeros = "00" if digits.startswith("00") else ""
        kept = zeros + _CALLING_CODES.match(digits[len(zeros) :]).group()
        rest = digits[len(kept) :]
        if "(0)" in text and rest.startswith("0"):
            kept, rest = kept + "0", rest[1:]
    elif digits[0] == "0" or (digits[0] == "1" and len(digits) == 11 and language != "zh"):
        kept, rest = digits[0], digits[1:]
    american = len(rest) == 10 and kept in ("", "1", "001") and rest[0] in "23456789"
    chinese = len(rest) == 11 and rest[0] == "1" and kept in ("", "86", "0086")
    plan = "nanp" if american else "cn" if chinese else ""
    kept, rest = kept + rest[:1], rest[1:]
    write = spelled_like(original) or laid_out(original)
    shape = Shape("phone", "0" * len(rest), variant=plan)
    return [Slot(shape, f"phone:{digits[-8:]}", lambda drawn: write(kept + drawn))]


def card(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original)
    if not compact.isdecimal() or len(compact) < 12:
        return plain(type_, original, language)
    return _number("card", compact, type_, original, compact[: 2 if compact[0] in "35" else 1])


def iban(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original).upper()
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}", compact):
        return plain(type_, original, language)
    return _number("iban", compact, type_, original, compact[:2], form_of(compact[4:]))


def national_id(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original).upper()
    if re.fullmatch(r"\d{3}-\d{2}-\d{4}", visible(original)):
        return _number("national_id", compact, type_, original, "us.ssn")
    scheme = numbers.scheme_of(compact, language)
    if not scheme and numbers.scheme_of(visible(original).upper(), language) == "fi.hetu":
        upper = visible(original).upper()
        shape = Shape("national_id", form_of(upper), variant="fi.hetu")
        return [Slot(shape, f"{type_}:{compact}", lambda drawn: drawn[:6] + upper[6] + drawn[7:])]
    return (
        _number("national_id", compact, type_, original, scheme)
        if scheme
        else plain(type_, original, language)
    )


def bank_account(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original).upper()
    if re.fullmatch(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", compact):
        return _number("swift", compact, type_, original, compact[4:6])
    if re.fullmatch(r"(?:0\d|1[0-2]|2[1-9]|3[0-2])\d{7}", compact) and _is_routing_number(compact):
        return _number("routing_number", compact, type_, original)
    return plain(type_, original, language)


def _is_routing_number(digits: str) -> bool:
    return sum(int(digit) * weight for digit, weight in zip(digits, (3, 7, 1) * 3, strict=True)) % 10 == 0


def device(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original)
    if compact.isdecimal() and len(compact) == 15 and numbers.luhn_digit(compact[:-1]) == compact[-1]:
        return [Slot(Shape("card", form_of(compact)), f"{type_}:{compact}", laid_out(original))]
    if _HEX.fullmatch(compact) and len(compact) >= 16 and not compact.isdecimal():
        return [Slot(Shape("hex", "a" * len(compact)), f"{type_}:{compact}", laid_out(original))]
    return plain(type_, original, language)


def vehicle(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original).upper()
    if re.fullmatch("[A-HJ-NPR-Z0-9]{17}", compact):
        return _number("vehicle_id", compact, type_, original)
    return plain(type_, original, language)


def wallet(type_: str, original: str, language: str | None) -> Template:
    identity = f"{type_}:{original}"
    if re.fullmatch("[13][1-9A-HJ-NP-Za-km-z]{25,34}", original):
        version = "0" if original[0] == "1" else "5"
        return [Slot(Shape("base58", form_of(original), variant=version), identity)]
    if segwit := re.fullmatch("(bc|tb|ltc)1([qp])[02-9ac-hj-np-z]{30,80}", original.lower()):
        variant = f"{segwit.group(1)}:{0 if segwit.group(2) == 'q' else 1}"
        return [Slot(Shape("bech32", form_of(original), variant=variant), identity)]
    if re.fullmatch("0x[0-9a-fA-F]{40,64}", original):
        write = str if original[2:] == original[2:].lower() else str.upper
        return ["0x", Slot(Shape("hex", "a" * (len(original) - 2)), identity, write)]
    return plain(type_, original, language)


def _number(
    kind: str, compact: str, type_: str, original: str, variant: str = "", form: str = ""
) -> Template:
    shape = Shape(kind, form or form_of(compact.upper()), variant=variant)
    return [Slot(shape, f"{type_}:{compact}", spelled_like(original) or laid_out(original))]
