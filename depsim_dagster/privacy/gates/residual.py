"""The gate's own detector: which original identifiers still stand in the text after de-identification.

It shares no code with privacy/detection/detect.py. DuckDB's RE2 takes candidates out of the original texts, all of them at once,
python-stdnum and the standard library judge those that are still there, and what is judged an identifier was missed.
Surrogates look real, so finding *an* e-mail address proves nothing. It claims less than the replacing detector finds: a
false alarm here would stop a week. So it takes only what proves itself, by check digits or by a form that nothing else
has, and leaves what needs words beside it (names, addresses, plain numbers) to the canaries.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from stdnum import bitcoin, iban, luhn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.us import ssn

from depsim_dagster.duckdb_sql import connect, literal

# What makes a token longer: letters and digits, also full-width ones.
_LETTERS = "0-9A-Za-z_\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
# Beside a number these may be signs of it, the full-width ones too.
_SIGNS = ".,\uff0c\uff0e"
_BEFORE, _AFTER = rf"[{_LETTERS}{_SIGNS}+-]*", rf"(?:[{_LETTERS}]|[-{_SIGNS}][{_LETTERS}])*"
_KEYS = r"sk-|[spr]k_live_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|ASIA|AIza"
_NATIONAL = {
    "br": (r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf.is_valid),
    "ch": (r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}", ahv.is_valid),
    "cn": (r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9X]", ric.is_valid),
    "es": (r"[0-9]{8}[A-Z]", dni.is_valid),
    "es_resident": (r"[XYZ][0-9]{7}[A-Z]", nie.is_valid),
    "fr": (
        r"[12] [0-9]{2} (?:0[1-9]|1[0-2]) [0-9]{2} [0-9]{3} [0-9]{3} [0-9]{2}|[12][0-9]{2}(?:0[1-9]|1[0-2])[0-9]{10}",
        nir.is_valid,
    ),
    "it": (r"[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]", codicefiscale.is_valid),
    "us": (r"[0-9]{3}-[0-9]{2}-[0-9]{4}", ssn.is_valid),
}
# RE2 patterns of whole tokens, so that what stands beside a candidate is judged with it.
CANDIDATES = {
    "email": rf"[{_LETTERS}.%+-]*[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{{2,24}}[{_LETTERS}]*",
    "url_with_credentials": r"[A-Za-z]+://[^\s/:@]{1,128}:[^\s/@]{1,128}@",
    "ip_address": rf"[{_LETTERS}.]*[0-9]\.[0-9]+\.[0-9]+\.[0-9]+[{_LETTERS}.]*",
    "ipv6_address": rf"[{_LETTERS}.:]*(?:[0-9A-Fa-f]{{1,4}}::?){{3,7}}[0-9A-Fa-f]{{1,4}}[{_LETTERS}.:]*",
    "mac_address": rf"[{_LETTERS}:-]*[0-9A-Fa-f]{{2}}(?:[:-][0-9A-Fa-f]{{2}}){{5}}[{_LETTERS}:-]*",
    "phone": rf"[{_LETTERS}.+-]*\+[0-9]{{1,3}}(?:[ .()-]{{0,2}}[0-9]){{7,12}}(?:[{_LETTERS}]|[.-][{_LETTERS}])*(?:\S{{1,64}}@)?",
    "api_key": rf"[{_LETTERS}-]*(?:{_KEYS})[0-9A-Za-z_-]{{16,}}[{_LETTERS}]*",
    "web_token": rf"[{_LETTERS}.-]*eyJ[0-9A-Za-z_-]{{10,}}\.eyJ[0-9A-Za-z_-]{{10,}}\.[0-9A-Za-z_-]{{16,}}[{_LETTERS}]*",
    "private_key": r"BEGIN [A-Z ]{0,20}PRIVATE KEY-----\s{1,4}([0-9A-Za-z+/=]{40,})",
    "iban": rf"[{_LETTERS}.-]*[A-Z]{{2}}[0-9]{{2}} ?[A-Z0-9]{{4}} ?[A-Z0-9]{{4}} ?[A-Z0-9 ]{{3,30}}[A-Z0-9][{_LETTERS}]*",
    "card": rf"[{_LETTERS}.+-]*[2-6][0-9]{{3}}(?:[ -]?[0-9]){{9,15}}(?:\.[{_LETTERS}]|[{_LETTERS}-])*",
    "crypto_wallet": rf"[{_LETTERS}.-]*(?:[13][1-9A-HJ-NP-Za-km-z]{{25,34}}|bc1[02-9ac-hj-np-z]{{25,87}})[{_LETTERS}-]*",
    **{f"national_id_{country}": f"{_BEFORE}(?:{form}){_AFTER}" for country, (form, _) in _NATIONAL.items()},
}
# What is looked for of a candidate: all of it (0), or the key behind its header.
_GROUPS = {"private_key": 1}
_ADDRESS = re.compile(
    r"[a-z0-9]{1,64}(?:[._+-][a-z0-9]{1,64}){0,8}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,24}",
    re.IGNORECASE,
)
_DISGUISES = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\uff01-\uff5e]")


def count_residuals(original: Sequence[str], deidentified: Sequence[str]) -> list[int]:
    """For each pair of texts, how many identifiers of the original are still in the de-identified text."""
    left = _left(original, deidentified)
    for place, text in enumerate(original):
        if _DISGUISES.search(text):
            left[place] |= _disguised_addresses(text, deidentified[place])
    return [len(values) for values in left]


def _disguised_addresses(before: str, after: str) -> set[str]:
    """E-mail addresses that are words of the original when disguises are taken away, and still are of the other."""
    words = {_undisguised(word).strip(".,;:!?()<>\"'") for word in before.split() if _DISGUISES.search(word)}
    addresses = {word for word in words if _ADDRESS.fullmatch(word) and _JUDGES["email"](word)}
    plain = _undisguised(after) if addresses else ""
    return {address for address in addresses if address in plain}


def _left(original: Sequence[str], deidentified: Sequence[str]) -> list[set[str]]:
    types = tuple(CANDIDATES)
    texts = pa.table(
        {
            "place": range(len(original)),
            "original": pa.array(original, pa.string()),
            "published": pa.array(deidentified, pa.string()),
        }
    )
    # A candidate may be an identifier and further words; where its first word is gone, it is gone.
    columns = ", ".join(
        f"list_filter(list_distinct(regexp_extract_all(original, {literal(CANDIDATES[type_])}, {_GROUPS.get(type_, 0)})), "
        f"lambda found: contains(published, split_part(found, ' ', 1))) as {type_}"
        for type_ in types
    )
    connection = connect()
    connection.register("texts", texts)
    rows = connection.execute(f"select {columns} from texts order by place").fetchall()
    found: list[set[str]] = []
    for row, before, after in zip(rows, original, deidentified, strict=True):
        left = (
            _left_of(type_, candidate, before, after)
            for type_, candidates in zip(types, row, strict=True)
            for candidate in candidates
        )
        found.append({value for value in left if value})
    return found


def _left_of(type_: str, candidate: str, before: str, after: str) -> str | None:
    """The most of a candidate that is an identifier and is still there, or None."""
    return next(
        (
            value
            for value in _leading_words(candidate)
            if value in after and _JUDGES[type_](value) and _is_left(type_, value, before, after)
        ),
        None,
    )


def _is_left(type_: str, value: str, before: str, after: str) -> bool:
    """Part of a longer word or number is no identifier, nor is the second summand of `1+123456789` a phone number."""
    plain = re.escape(value)
    summand = type_ == "phone" and not re.search(rf"(?<![0-9A-Za-z_.+]){plain}(?![0-9A-Za-z_])", before)
    beside = f"{_LETTERS}." if type_ == "ip_address" else _LETTERS
    end = f"(?![{_LETTERS}])" if value[-1].isalnum() else ""
    if summand:
        return False
    places = re.finditer(rf"(?<![{beside}]){plain}{end}", after)
    # `section 4.2.3.6` and `version 10.2.3.4` are no addresses.
    return any(
        type_ != "ip_address" or not _NUMBERED.search(after[: place.start()][-16:]) for place in places
    )


_NUMBERED = re.compile(
    r"(?i)(?:section|sect?|figure|fig|table|chapter|clause|paragraph|annex|appendix|step|item|rule|article|release|version"
    r"|ver|build|firmware|abschnitt|kapitel|sección|chapitre|sezione|versie|§)[.:]?\s*$"
)


def _leading_words(candidate: str) -> Iterator[str]:
    """A candidate, and it without its last words: `DE89 … 00 IS MINE` is an IBAN and two words."""
    while candidate:
        yield candidate
        candidate = candidate.rpartition(" ")[0]


def _undisguised(text: str) -> str:
    """Full-width characters as what they stand for, and invisible ones taken out."""
    composed = unicodedata.normalize("NFKC", text)
    return "".join(character for character in composed if unicodedata.category(character) != "Cf")


def _is_mailbox(value: str) -> bool:
    return value.isascii() and not value.lstrip("._%+-").lower().startswith("git@")


def _is_host(value: str) -> bool:
    try:
        address = ipaddress.IPv4Address(value.rstrip("."))
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)


def _is_public_ipv6(value: str) -> bool:
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return address.is_global


def _is_mac(value: str) -> bool:
    plain = re.fullmatch(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})", value)
    digits = re.sub("[^0-9a-f]", "", value.lower())
    return plain is not None and len(set(digits)) > 3 and any(map(str.isdigit, digits))


def _is_phone(value: str) -> bool:
    return (
        re.fullmatch(r"\+[0-9][0-9 .()-]*[0-9]", value) is not None
        and 8 <= len(re.sub("[^0-9]", "", value)) <= 15
    )


def _is_key(value: str) -> bool:
    known = re.fullmatch("(?:sk-|[spr]k_|gh[pousr]_|github_pat_|glpat-|xox)[0-9A-Za-z_-]+", value) or (
        re.fullmatch("A[KS]IA[A-Z0-9]{16}|AIza[0-9A-Za-z_-]{35}", value)
    )
    return known is not None and len(re.sub("[^0-9]", "", value)) >= 5


def _is_card(value: str) -> bool:
    plain = re.fullmatch(r"[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}", value) is not None
    return plain and luhn.is_valid(re.sub("[ -]", "", value))


def _is_wallet(value: str) -> bool:
    return re.match("1|3|bc1", value) is not None and bitcoin.is_valid(value)


def _national(form: str, is_valid: Callable[[str], bool]) -> Callable[[str], bool]:
    whole = re.compile(form)
    return lambda value: whole.fullmatch(value) is not None and is_valid(value)


_JUDGES: dict[str, Callable[[str], bool]] = {
    "email": _is_mailbox,
    "url_with_credentials": lambda value: True,
    "ip_address": _is_host,
    "ipv6_address": _is_public_ipv6,
    "mac_address": _is_mac,
    "phone": _is_phone,
    "api_key": _is_key,
    "web_token": lambda value: value.isascii() and value.startswith("eyJ"),
    "private_key": lambda value: True,
    "iban": iban.is_valid,
    "card": _is_card,
    "crypto_wallet": _is_wallet,
    **{f"national_id_{country}": _national(*judged) for country, judged in _NATIONAL.items()},
}
