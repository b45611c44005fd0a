"""The registry's chain and the registered tests as tables for reading. Not here: verifying the chain (registry/verify)."""

from __future__ import annotations

from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.report_content import RegistryState, ReportContent
from depsim_dagster.report.value_text import ABSENT, number_text, probability_text

RESULTS = {
    "supported": "✓ supported",
    "not_supported": "✗ not supported",
    "not_testable": "not testable",
}
TESTS_ABSENT = "Absent: registered_tests has no row, so none of the registered hypotheses was tested."


def tests_table(content: ReportContent) -> Row:
    """The hypotheses H1, H2 and H3 with their results."""
    rows = records(content.tests)
    several = len({str(row.get("stack_hash")) for row in rows}) > 1
    return {
        "title": "Registered hypotheses",
        "note": "",
        "empty": TESTS_ABSENT,
        "columns": [
            ("Test", False),
            ("Hypothesis", False),
            ("Forecasts", False),
            ("Pairs (candidates)", True),
            ("Estimate", True),
            ("p", True),
            ("Result", False),
            ("Method, and what it rests on", False),
        ],
        "rows": [
            [
                str(row["test"]),
                str(row["hypothesis"]),
                str(row["kind"]) + (f", stack {str(row['stack_hash'])[:12]}" if several else ""),
                f"{row['pairs']:,} ({row['candidates']:,})",
                _estimate(row),
                probability_text(row.get("p_value")),
                RESULTS.get(str(row["result"]), str(row["result"])),
                "; ".join(str(row[name]) for name in ("method", "reason") if row.get(name)),
            ]
            for row in rows
        ],
    }


def _estimate(row: Row) -> str:
    if row.get("estimate") is None:
        return ABSENT
    if row.get("lower") is None and row.get("upper") is None:
        return number_text(row["estimate"])
    low, high = (ABSENT if row.get(name) is None else number_text(row[name]) for name in ("lower", "upper"))
    return f"{number_text(row['estimate'])} ({low} to {high})"


def chain_table(state: RegistryState) -> Row:
    """Every entry of the registry in its order, earlier forecasts that an amendment replaced included."""
    latest = {}
    for row in records(state.entries):
        if row["kind"] in ("forecast", "amendment"):
            latest[row["model"]] = row["sequence"]
    lines = []
    for row in records(state.entries):
        replaced = row["kind"] in ("forecast", "amendment") and latest[row["model"]] != row["sequence"]
        what = {"forecast": "forecast", "amendment": f"amendment {row.get('amendment')}"}.get(
            str(row["kind"]), f"outcome opened, week {row.get('week') or ABSENT}"
        )
        lines.append(
            [
                f"{row['sequence']:,}",
                str(row["model"]),
                what + (" (amended since)" if replaced else ""),
                str(row.get("stated") or ABSENT),
                str(row["at"])[:19].replace("T", " "),
                str(row["hash"])[:16],
                str(row["previous_hash"])[:16] or "none: the first",
            ]
        )
    return {
        "title": "Entries of the registry, in the order of their chain",
        "note": "",
        "empty": "no entry",
        "columns": [
            ("Sequence", True),
            ("Model", False),
            ("Entry", False),
            ("Kind", False),
            ("Written at (UTC)", False),
            ("Hash", False),
            ("Hash before", False),
        ],
        "rows": lines,
    }


def status_text(state: RegistryState | None) -> str:
    """Whether the chain was verified, and what came out."""
    if state is None:
        return "Absent: the registry was not given, so its chain is not verified here."
    if state.refused:
        return f"✗ The registry could not be verified: {state.refused}"
    count = f"{len(state.entries):,} entr{'y' if len(state.entries) == 1 else 'ies'}"
    if state.intact:
        return (
            f"✓ Verified when this page was made: {count}, chain, signatures, rows and order intact. What only a copy kept "
            "elsewhere can show is said by depsim registry verify --against."
        )
    return f"✗ Not intact: {count}, and what is listed here."
