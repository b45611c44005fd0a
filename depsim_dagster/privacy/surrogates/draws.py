"""Generators of surrogates. `draw(shape, seed)` is all there is: no generator ever sees an original.

The result is plain: lower or title case, no separators, an ISO date. How the original was written is put back by what
holds the original, outside of here (surrogate_templates.py).
"""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from depsim_dagster.privacy.surrogates import numbers
from depsim_dagster.privacy.surrogates.dates import draw_age, draw_date
from depsim_dagster.privacy.surrogates.pools import latin_pool, pool
from depsim_dagster.privacy.surrogates.shapes import ALPHABETS, UNSPACED, Shape, gender_of, script_of


def draw(shape: Shape, seed: int) -> str:
    """A surrogate for what has this shape. Equal shapes and seeds give equal surrogates."""
    return _GENERATORS.get(shape.kind, _characters)(shape, Random(seed))


def _characters(shape: Shape, random: Random) -> str:
    """Another character of the same class for each; everything else stays."""
    return "".join(
        _chosen(alphabet, random) if (alphabet := ALPHABETS.get(character)) else character
        for character in shape.form
    )


def _chosen(words: Sequence[str], random: Random) -> str:
    """`random.choice` without its calls of calls, for what is drawn character by character."""
    count = len(words)
    bits = count.bit_length()
    while (place := random.getrandbits(bits)) >= count:
        pass
    return words[place]


def _word(shape: Shape, random: Random) -> str:
    """A name, a street or a place of the locale; in scripts without spaces of the same number of characters."""
    words = pool(shape.locale, shape.kind)
    if shape.form and script_of(shape.form) in UNSPACED:
        return _of_length(words, len(shape.form), random)
    if shape.variant:  # Slavic names agree in gender
        words = _of_gender(shape.locale, shape.kind, shape.variant)
    return random.choice(words)


@cache
def _of_gender(locale: str, kind: str, gender: str) -> tuple[str, ...]:
    return tuple(word for word in pool(locale, kind) if gender_of(word) == gender) or pool(locale, kind)


def _kana(shape: Shape, random: Random) -> str:
    """A Japanese name as it sounds, in the syllables of the original."""
    name = random.choice(pool(shape.locale, "kana"))
    if script_of(shape.form) == "katakana":
        return name
    return "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in name)


def _of_length(words: tuple[str, ...], length: int, random: Random) -> str:
    fitting = [word for word in words if len(word) == length]
    if len(fitting) > 1:
        return random.choice(fitting)
    drawn = ""
    while len(drawn) < length:
        drawn += random.choice(words)
    return drawn[:length]


def _initial(shape: Shape, random: Random) -> str:
    return random.choice(pool(shape.locale, "given"))[0]


def _handle(shape: Shape, random: Random) -> str:
    """A word of an account's name or of a host: lower case, ASCII."""
    if len(shape.form) < 3:
        return "".join(random.choices(string.ascii_lowercase, k=len(shape.form)))
    return random.choice(latin_pool(shape.locale, shape.variant or "family"))


def _phone(shape: Shape, random: Random) -> str:
    """Drawn from the right, so that a number with its country code and one without end alike."""
    count = len(shape.form)
    digits = [_chosen(string.digits, random) for _ in range(max(count, 15))][:count]
    if shape.variant == "nanp" and count >= 7:
        digits[6] = random.choice("23456789")  # an exchange does not begin with 0 or 1
    if shape.variant == "cn" and count == 10:
        digits[9] = random.choice("356789")
    return "".join(reversed(digits))


def _card(shape: Shape, random: Random) -> str:
    return numbers.draw_card(shape.variant, len(shape.form), random)


def _iban(shape: Shape, random: Random) -> str:
    return numbers.draw_iban(shape.variant, shape.form, random)


def _national_id(shape: Shape, random: Random) -> str:
    return numbers.draw_national_id(shape.variant, random)


def _vehicle_id(shape: Shape, random: Random) -> str:
    return numbers.draw_vin(random)


def _bank_code(shape: Shape, random: Random) -> str:
    """A SWIFT code of the same country."""
    letters = "".join(random.choices(string.ascii_uppercase, k=4))
    return letters + shape.variant + _characters(Shape("characters", shape.form[6:]), random)


def _routing_number(shape: Shape, random: Random) -> str:
    return numbers.draw_routing_number(random)


def _base58(shape: Shape, random: Random) -> str:
    return numbers.draw_base58(int(shape.variant), len(shape.form), random)


def _bech32(shape: Shape, random: Random) -> str:
    prefix, version = shape.variant.split(":")
    return numbers.draw_bech32(prefix, int(version), len(shape.form), random)


def _hex(shape: Shape, random: Random) -> str:
    digits = random.choices("0123456789abcdef", k=len(shape.form))
    if shape.variant == "mac":  # of one card, not of a group
        digits[1] = random.choice("02468ace")
    return "".join(digits)


def _ip4(shape: Shape, random: Random) -> str:
    """A host of the same kind of network."""
    first = {
        "10": (10,),
        "192.168": (192, 168),
        "172": (172, random.randint(16, 31)),
        "169.254": (169, 254),
        "100": (100, random.randint(64, 127)),
    }.get(shape.variant)
    if first is None:
        # Unicast, and in no range that is set apart.
        octets = [value for value in range(11, 200) if value not in (100, 127, 169, 172, 192, 198)]
        first = (random.choice(octets),)
    rest = [random.randint(1, 254) for _ in range(4 - len(first))]
    return ".".join(map(str, [*first, *rest]))


def _ip6(shape: Shape, random: Random) -> str:
    """Groups as long as the original's; a global address stays one, a local one stays local."""
    groups = []
    for place, group in enumerate(shape.form.split(":")):
        digits = "".join(random.choice("0123456789abcdef") for _ in group)
        if digits:
            digits = random.choice("123456789abcdef") + digits[1:]
        if place == 0 and len(group) == 4:
            digits = {"fd": "fd", "fc": "fd", "fe": "fe80"}.get(shape.variant, random.choice("2")) + digits
            digits = digits[:4]
        groups.append(digits)
    return ":".join(groups)


def _date(shape: Shape, random: Random) -> str:
    return draw_date(shape.kind, shape.variant, random).isoformat()


def _age(shape: Shape, random: Random) -> str:
    return draw_age(len(shape.form), random)


def _json_web_token(shape: Shape, random: Random) -> str:
    """Three segments of the same lengths, the first two of which decode to JSON as a token's do."""
    header, payload, *signature = shape.form.split(".")
    token = [
        _segment({"alg": "HS256", "typ": "JWT"}, "kid", len(header), random),
        _segment({"sub": str(random.randrange(10**9, 10**10))}, "jti", len(payload), random),
        *("".join(random.choices(_URL_SAFE, k=len(part))) for part in signature),
    ]
    return ".".join(token)


_URL_SAFE = string.ascii_letters + string.digits


def _segment(claims: dict[str, str], filler: str, length: int, random: Random) -> str:
    """URL-safe base64 of a JSON object, filled up to `length` characters where it is shorter."""

    def written(value: dict[str, str]) -> str:
        text = json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    plain = written(claims)
    missing = length * 3 // 4 - len(written({**claims, filler: ""})) * 3 // 4
    if missing < 0 or len(plain) >= length:
        return plain
    return written({**claims, filler: "".join(random.choices(_URL_SAFE, k=missing))})


def _base64(shape: Shape, random: Random) -> str:
    """Letters and digits of any case; line breaks, `+`, `/` and padding stay."""
    return "".join(
        random.choice(_URL_SAFE) if character in ALPHABETS else character for character in shape.form
    )


_GENERATORS: dict[str, Callable[[Shape, Random], str]] = {
    "age": _age,
    "base58": _base58,
    "base64": _base64,
    "bech32": _bech32,
    "birth_date": _date,
    "card": _card,
    "city": _word,
    "date": _date,
    "family": _word,
    "given": _word,
    "handle": _handle,
    "hex": _hex,
    "iban": _iban,
    "initial": _initial,
    "ip4": _ip4,
    "ip6": _ip6,
    "json_web_token": _json_web_token,
    "kana": _kana,
    "middle": _word,
    "national_id": _national_id,
    "phone": _phone,
    "routing_number": _routing_number,
    "state": lambda shape, random: random.choice(pool("en_US", "state")),
    "street": _word,
    "swift": _bank_code,
    "vehicle_id": _vehicle_id,
}
