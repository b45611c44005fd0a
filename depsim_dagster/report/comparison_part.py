"""The candidate beside its predecessor on the same prefixes, as a table for reading (rows of `model_comparison`)."""

from __future__ import annotations

from collections.abc import Sequence

from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.value_text import (
    ABSENT,
    WITHHELD,
    probability_text,
    rate_cell,
    ratio_text,
)

TITLE = "Against the predecessor on the same prefixes"
ABSENT_TEXT = "Absent: model_comparison has no row of it, so nothing is said of which rates rose between the two models."


def comparison_part(rows: Sequence[Row]) -> Part:
    """X→Y against Y→Y, what rose first."""
    if not rows:
        return Part(TITLE, absent=ABSENT_TEXT)
    model, deployment = rows[0]["model"], rows[0]["deployment"]
    ordered = sorted(rows, key=lambda row: (not row["rose"], _p(row, "p_value"), str(row["category"])))
    rose = [str(row["category"]) for row in ordered if row["rose"]]
    table = {
        "title": f"X→Y and Y→Y on the same prefixes, X {model} and Y {deployment}, per 100,000 pairs",
        "note": _sizes(rows),
        "empty": "",
        "fit": True,
        "columns": [
            ("Category", False),
            (str(model), False),
            (str(deployment), False),
            ("Both / one alone", True),
            ("Ratio", False),
            ("p", True),
            ("p (BH)", True),
            ("p (Holm)", True),
            ("P(rise ≥ 1.5×)", True),
            ("Rose", False),
        ],
        "rows": [_cells(row) for row in ordered],
    }
    found = (
        f"Rose at a false discovery rate of 10 %: {', '.join(rose)}."
        if rose
        else "Nothing rose at a false discovery rate of 10 %."
    )
    level = f"{100 * rows[0]['level']:.4g} %" if rows[0].get("level") else ""
    notes = [
        f"{found} p (BH) is Benjamini and Hochberg’s. Holm’s p-values are for gates: below 0.05, the probability of any "
        "wrong alarm is at most 5 %.",
        f"Both models answered every pair, so what simulation does to a rate is in both and leaves the ratio. {level} score "
        "intervals of the paired ratio, McNemar’s exact test, both over users. “Both / one alone” are the pairs in which both "
        "models were flagged, the candidate alone, and the predecessor alone.",
    ]  # fmt: skip
    return Part(TITLE, tables=[table], notes=notes, withheld=any(row.get("suppressed") for row in rows))


def _sizes(rows: Sequence[Row]) -> str:
    """How many pairs the rates are of."""
    pairs = [row["pairs"] for row in rows if row.get("pairs")]
    if not pairs:
        return ""
    least, most = min(pairs), max(pairs)
    return f"{least:,} pairs" if least == most else f"{least:,} to {most:,} pairs"


def _p(row: Row, name: str) -> float:
    return 1.0 if row.get(name) is None else row[name]


def _cells(row: Row) -> list[str]:
    category = str(row["category"])
    if row.get("suppressed"):
        return [category, *[WITHHELD] * 9]
    if not row["pairs"]:
        return [category, "no pairs", "no pairs", *[ABSENT] * 7]
    flagged = [row[name] for name in ("both", "only_candidate", "only_predecessor")]
    sides = {"candidate": flagged[0] + flagged[1], "predecessor": flagged[0] + flagged[2]}
    rates = []
    for side, k in sides.items():
        seen = {"k": k, "n": row["pairs"], "per_100k": row[f"{side}_per_100k"]}
        rates.append(rate_cell({f"{side}_{name}": value for name, value in seen.items()}, side)["text"])
    return [
        category,
        *rates,
        " / ".join(f"{count:,}" for count in flagged),
        ratio_text(row["ratio"], row["ratio_lower"], row["ratio_upper"]) if any(flagged) else ABSENT,
        *(
            probability_text(row[name])
            for name in ("p_value", "p_benjamini_hochberg", "p_holm", "rise_probability")
        ),
        "▲ rose" if row["rose"] else "no",
    ]
