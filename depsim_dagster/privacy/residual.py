"""The gate's own detector: which original identifiers still stand in the text after de-identification.

It shares no code with privacy/detection.py. It works on sets, in DuckDB: what its patterns find in the original text
(surrogates look real, so finding *an* e-mail address proves nothing), and what of that is still present afterwards.
"""

from __future__ import annotations

import pyarrow as pa
from stdnum import iban, luhn

from depsim_dagster.traffic.readers import connect, literal

# RE2 patterns, deliberately looser than the replacing detector's; what has a checksum is checked by python-stdnum.
PATTERNS = {
    "email": r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+\.[A-Za-z]{2,}",
    "url_with_credentials": r"[A-Za-z]+://[^\s/:@]+:[^\s/@]+@",
    "ip_address": r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b",
    "phone": r"\+[0-9]{1,3}(?:[ .()-]{0,2}[0-9]){7,12}",
    "api_key": r"\b(?:sk|pk|ghp|xoxb|AKIA)[-_]?[A-Za-z0-9_-]{16,}\b",
    "iban": r"\b[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4} ?[A-Z0-9 ]{3,}[A-Z0-9]\b",
    "card": r"\b[0-9](?:[ -]?[0-9]){12,18}\b",
}
CHECKSUMS = {
    "iban": iban.is_valid,
    "card": lambda value: luhn.is_valid(value.replace(" ", "").replace("-", "")),
}


def count_residuals(original: list[str], deidentified: list[str]) -> list[int]:
    """For each pair of texts, how many identifiers of the original are still in the de-identified text."""
    texts = pa.table({"place": range(len(original)), "original": original, "deidentified": deidentified})
    remaining = ", ".join(
        f"list_filter(list_distinct(regexp_extract_all(original, {literal(pattern)})), "
        f"lambda identifier: contains(deidentified, identifier)) as {type_}"
        for type_, pattern in PATTERNS.items()
    )
    connection = connect()
    connection.register("texts", texts)
    rows = connection.execute(f"select {remaining} from texts order by place").fetchall()
    accepts = [CHECKSUMS.get(type_, lambda _: True) for type_ in PATTERNS]
    return [
        sum(accept(value) for accept, values in zip(accepts, row, strict=True) for value in values)
        for row in rows
    ]
