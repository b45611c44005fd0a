"""Cards, accounts and wallets that prove themselves by form and check digits; without words beside them.

Numbers that only a label makes an account number are privacy/detection/labelled_numbers.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.candidate_checks import is_iban, is_luhn, leading
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_CARD = re.compile(
    r"(?<![\w+-])(?<!\d\.)(?:[2-6]\d{3}|1800|2131)(?:[ \u00a0\u2010-\u2015./-]{0,1}\d){8,15}(?!\w|[-.]\d)",
    re.ASCII,
)
_CARD_SPREAD = re.compile(r"(?<![\w+])(?:\d{4} {0,2}[-–—.·/] {0,2}){3}\d{4}(?!\w)", re.ASCII)
_CARD_WORDS = re.compile(
    r"card|credit|debit|visa|mastercard|maestro|amex|discover|jcb|diners|karte|carte|cb\b|tarjeta|cartão"
    r"|cartao|carta|kaart|kart[aeęy]|kort|кар[тд]|kart[ıi]"
    r"|卡|カード|카드|कार्ड|بطاقة|כרטיס|payment|charged|cc\b|ending"
)
_MAESTRO = re.compile(r"(?:5018|5020|5038|5[678]\d\d|63|67)\d+")
_IBAN = re.compile(
    r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \u00a0.-]?[A-Za-z0-9]{4}){2,7}(?:["
    r" \u00a0.-]?[A-Za-z0-9]{1,4})?(?![^\W_])",
    re.ASCII,
)
_SPACED = re.compile("[\u00a0.-]")
_BITCOIN = re.compile(r"(?<![A-Za-z0-9])(?:[13LMD9AX][1-9A-HJ-NP-Za-km-z]{25,34})(?![A-Za-z0-9])")
_BECH32 = re.compile(
    r"(?<![A-Za-z0-9])(?:bc1|tb1|ltc1|addr1)[02-9ac-hj-np-z]{20,100}(?![A-Za-z0-9])", re.IGNORECASE
)
_ETHEREUM = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")
_RIPPLE_TRON = re.compile(
    r"(?<![A-Za-z0-9])(?:r[1-9A-HJ-NP-Za-km-z]{24,34}|T[1-9A-HJ-NP-Za-km-z]{33})(?![A-Za-z0-9])"
)
_LONG_WALLET = re.compile(r"(?<![A-Za-z0-9])[13LM][1-9A-HJ-NP-Za-km-z]{35,60}(?![A-Za-z0-9])")
_MONERO = re.compile(r"(?<![A-Za-z0-9])[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?![A-Za-z0-9])")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_WALLET_WORDS = frozenset(
    "wallet bitcoin btc crypto litecoin ltc dogecoin doge ripple xrp tron coin address send donate".split()
)


def find_payments(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Card numbers (Luhn), IBANs (modulo 97), crypto wallets (checksums)."""
    text = chat.text
    for start, end in chat.number_windows:
        for match in _CARD.finditer(text, start, end):
            length = _card_length(chat, match)
            if length:
                yield IdentifierSpan("card", match.start(), match.start() + length)
        for match in _CARD_SPREAD.finditer(text, start, end):
            if is_luhn(match.group()) or _CARD_WORDS.search(
                chat.lower, max(0, match.start() - 60), match.end() + 25
            ):
                yield IdentifierSpan("card", *match.span())
        for match in _IBAN.finditer(text, start, end):
            value = _SPACED.sub(" ", match.group())
            length = leading(is_iban)(value)
            if not length and len(compact := value.replace(" ", "")) > 15 and compact[:4].isupper():
                near = chat.lower[max(0, match.start() - 40) : match.start()]
                length = len(value.rstrip()) if "iban" in near else 0
            if length:
                yield IdentifierSpan("iban", match.start(), match.start() + length)
    if chat.digits:
        yield from _wallets(chat)


def _card_length(chat: ChatText, match: re.Match[str]) -> int:
    value = (
        re.sub("[\u00a0\u2010-\u2015./]", " ", match.group())
        if re.search("[^\\d -]", match.group())
        else match.group()
    )
    length = leading(is_luhn)(value)
    digits = sum(map(str.isdigit, value))
    # Dots and slashes between the groups of a card are rare, those between other numbers are not.
    if length and not (value != match.group() and digits not in (15, 16)):
        return length
    if digits == 12 and _MAESTRO.match(value) and _is_luhn_of_any_length(value):
        return len(value)
    if digits >= 12 and _CARD_WORDS.search(chat.lower, max(0, match.start() - 50), match.start()):
        return len(value)
    return 0


def _is_luhn_of_any_length(value: str) -> bool:
    return is_luhn("0" * 4 + "".join(filter(str.isdigit, value)))


def _wallets(chat: ChatText) -> Iterator[IdentifierSpan]:
    text = chat.text
    if "0x" in text:
        for match in _ETHEREUM.finditer(text):
            yield IdentifierSpan("crypto_wallet", *match.span())
    if "1" in text and (
        "bc1" in chat.lower or "tc1" in chat.lower or "tb1" in chat.lower or "addr1" in chat.lower
    ):
        for match in _BECH32.finditer(text):
            if any(map(str.isdigit, match.group()[3:])):
                yield IdentifierSpan("crypto_wallet", *match.span())
    # Only a text with an unbroken word this long can hold one of the others.
    if chat.longest_word >= 25:
        near = None
        for match in _BITCOIN.finditer(text):
            if near is None:
                near = chat.has_any(_WALLET_WORDS)
            value = match.group()
            mixed = (
                any(map(str.isdigit, value[1:]))
                and any(map(str.islower, value))
                and any(map(str.isupper, value[1:]))
            )
            if mixed and (near or _base58_checks(value, _BASE58)):
                yield IdentifierSpan("crypto_wallet", *match.span())
        if chat.has_any(_WALLET_WORDS):
            for pattern in (_RIPPLE_TRON, _MONERO, _LONG_WALLET):
                for match in pattern.finditer(text):
                    value = match.group()
                    if (
                        any(map(str.isdigit, value))
                        and any(map(str.islower, value))
                        and any(map(str.isupper, value))
                    ):
                        yield IdentifierSpan("crypto_wallet", *match.span())


def _base58_checks(value: str, alphabet: str) -> bool:
    number = 0
    for character in value:
        number = number * 58 + alphabet.index(character)
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]
