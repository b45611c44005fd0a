"""What a candidate must satisfy to be a personal detail, beyond its pattern: check digits, ranges, randomness.

An `accept` function says how many of a candidate's first characters are the detail, 0 for none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable


def is_luhn(value: str) -> bool:
    """Luhn checksum of ISO/IEC 7812 card numbers, 13 to 19 digits."""
    digits = [int(character) for character in value if character.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(value: str) -> bool:
    """ISO 13616 check: the rearranged number is 1 modulo 97."""
    compact = value.replace(" ", "").upper()
    if not 15 <= len(compact) <= 34:
        return False
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def leading(check: Callable[[str], bool]) -> Callable[[str], int]:
    """Accept the longest leading words that pass: `4111 1111 1111 1111 123` is a card and its code."""

    def accept(value: str) -> int:
        while value and not check(value):
            value = value.rpartition(" ")[0]
        return len(value)

    return accept


def host(value: str) -> int:
    """An address of a host; loopback, masks and the like belong to nobody. A namespace (`A::B`) is no address."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return 0
    nobody = address.is_loopback or address.is_unspecified or address.is_multicast
    nobody |= address.version == 4 and address.is_reserved
    numeric = any(character.isdigit() for character in value) and len(value) >= 6
    return len(value) if numeric and not nobody else 0


def mailbox(value: str) -> int:
    """An e-mail address; `git@…` is the remote of a repository."""
    return 0 if value.lower().startswith("git@") else len(value)
