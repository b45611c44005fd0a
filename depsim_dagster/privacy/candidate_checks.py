"""What a candidate must satisfy to be a personal detail, beyond its pattern: check digits, ranges, randomness.

An `accept` function says how many of a candidate's first characters are the detail, 0 for none.
"""

from __future__ import annotations

import ipaddress
import re
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


def phone(value: str) -> int:
    """As many digits as E.164 allows."""
    return len(value) if 8 <= sum(character.isdigit() for character in value) <= 15 else 0


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


def secret(value: str) -> int:
    """A key is drawn at random; `sk-circle-fade-animation` is not."""
    if value.startswith(("AKIA", "ASIA", "AIza")):  # of a fixed length
        return len(value)
    digits = sum(character.isdigit() for character in value)
    mixed = any(character.isupper() for character in value) and digits
    return len(value) if mixed or digits >= 5 else 0


def name(value: str) -> int:
    """A name without the possessive that follows it; words that begin a sentence are none."""
    if _NO_NAMES.match(value):
        return 0
    return len(re.sub(r"(?:['’]s|['’-]+)$", "", value))


def chinese_id(value: str) -> int:
    """Check character of GB 11643 (ISO 7064 modulo 11-2)."""
    weighted = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(value[:17]))
    return len(value) if "10X98765432"[weighted % 11] == value[17].upper() else 0


def chinese_name(value: str) -> int:
    """我是… introduces a name or an occupation (我是学生): a common family name, and no ending of an occupation."""
    named = value[0] in _CHINESE_FAMILY_NAMES and value[-1] not in "生师员人者家手长工民士迷"
    return len(value) if named else 0


_NO_NAMES = re.compile(
    "(?:The|An?|Not|Your|My|Our|All|Best|Kind|Team|It|This|That|What|If|How|Why|When|Where|I|We|You)(?: |$)"
)
_CHINESE_FAMILY_NAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高梁郑谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆金石戴贾"
    "韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严覃武戴莫孔向汤欧"
)
