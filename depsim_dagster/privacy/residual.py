"""The gate's own detector: which original identifiers still stand in the text after de-identification.

It shares no code with privacy/detection.py. DuckDB's RE2 takes candidates out of the original text, python-stdnum and
the standard library judge them, and what is judged an identifier must be gone afterwards. Surrogates look real, so
finding *an* e-mail address proves nothing. It claims less than the replacing detector finds: a false alarm here would
stop a week.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

import pyarrow as pa
from stdnum import iban, luhn

from depsim_dagster.duckdb_sql import connect, literal

# RE2 patterns of whole tokens, so that what stands beside a candidate is judged with it.
CANDIDATES = {
    "email": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}",
    "url_with_credentials": r"[A-Za-z]+://[^\s/:@]{1,128}:[^\s/@]{1,128}@",
    "ip_address": r"[0-9A-Za-z_.]*[0-9]\.[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z_.]*",
    "phone": r"[0-9A-Za-z_+]*\+[0-9]{1,3}(?:[ .()-]{0,2}[0-9]){7,12}[0-9A-Za-z_]*",
    "api_key": r"[0-9A-Za-z_-]*(?:sk-|[spr]k_live_|gh[ps]_|xox[abp]-|AKIA)[0-9A-Za-z_-]{16,}",
    "iban": r"\b[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4} ?[A-Z0-9 ]{3,30}[A-Z0-9]\b",
    "card": r"[0-9A-Za-z_.+-]*[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}(?:\.[0-9]|[0-9A-Za-z_-])*",
}


def count_residuals(original: list[str], deidentified: list[str]) -> list[int]:
    """For each pair of texts, how many identifiers of the original are still in the de-identified text."""
    texts = pa.table({"place": range(len(original)), "original": pa.array(original, pa.string())})
    columns = ", ".join(
        f"list_distinct(regexp_extract_all(original, {literal(pattern)})) as {type_}"
        for type_, pattern in CANDIDATES.items()
    )
    connection = connect()
    connection.register("texts", texts)
    rows = connection.execute(f"select {columns} from texts order by place").fetchall()
    return [
        len(
            {
                value
                for (type_, judge), candidates in zip(_JUDGES.items(), row, strict=True)
                for candidate in candidates
                for value in _leading_words(candidate)
                if value in after and judge(value) and _is_left(type_, value, before, after)
            }
        )
        for row, before, after in zip(rows, original, deidentified, strict=True)
    ]


def _is_left(type_: str, value: str, before: str, after: str) -> bool:
    """Part of a longer number is no identifier, nor is the second summand of `1+123456789` a phone number."""
    plain = re.escape(value)
    summand = type_ == "phone" and not re.search(rf"(?<![0-9A-Za-z_+]){plain}(?![0-9A-Za-z_])", before)
    return not summand and re.search(rf"(?<![0-9]){plain}(?![0-9])", after) is not None


def _leading_words(candidate: str) -> Iterator[str]:
    """A candidate, and it without its last words: `DE89 … 00 IS MINE` is an IBAN and two words."""
    while candidate:
        yield candidate
        candidate = candidate.rpartition(" ")[0]


def _is_host(value: str) -> bool:
    try:
        address = ipaddress.IPv4Address(value.rstrip("."))
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)


def _is_phone(value: str) -> bool:
    return (
        re.fullmatch(r"\+[0-9][0-9 .()-]*[0-9]", value) is not None
        and 8 <= len(re.sub("[^0-9]", "", value)) <= 15
    )


def _is_key(value: str) -> bool:
    known = value.startswith(("sk-", "sk_", "pk_", "rk_", "gh", "xox")) or (
        re.fullmatch("AKIA[A-Z0-9]{16}", value) is not None
    )
    return known and len(re.sub("[^0-9]", "", value)) >= 5


def _is_card(value: str) -> bool:
    plain = re.fullmatch(r"[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}", value) is not None
    return plain and luhn.is_valid(re.sub("[ -]", "", value))


_JUDGES: dict[str, Callable[[str], bool]] = {
    "email": lambda value: not value.lower().startswith("git@"),
    "url_with_credentials": lambda value: True,
    "ip_address": _is_host,
    "phone": _is_phone,
    "api_key": _is_key,
    "iban": iban.is_valid,
    "card": _is_card,
}
