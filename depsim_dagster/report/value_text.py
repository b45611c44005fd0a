"""Numbers, rates, probabilities and directions as text for reading. A rate below what its turns resolve is "below 1 in N"
and never a zero.
"""

from __future__ import annotations

import json
import math

from depsim_dagster.estimation.counts import below_floor, below_text, resolvable_per_100k
from depsim_dagster.report.plain_rows import Row

ABSENT = "–"
# A number that rests on fewer users than may be published, or that would give away one that does.
WITHHELD = "withheld"


def number_text(value: float | None) -> str:
    """About three significant digits, thousands separated; "< 0.001" below that, an en dash for "no value"."""
    if value is None:
        return ABSENT
    size = abs(value)
    if size == 0 or size >= 99.95:
        return f"{value:,.0f}"
    if size < 0.001:
        return "< 0.001" if value > 0 else "> -0.001"
    small = 1 - math.floor(math.log10(size))  # two significant digits below 1
    return f"{value:.{1 if size >= 9.995 else 2 if size >= 0.9995 else small}f}"


def count_text(value: float | None) -> str:
    """A number of events or turns, whole where it is whole."""
    return ABSENT if value is None else f"{value:,.0f}" if float(value).is_integer() else number_text(value)


def times_text(value: float | None) -> str:
    """A factor such as an SME or a ratio: 1.42×."""
    if value is None:
        return ABSENT
    return f"{value:,.{0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.095 else 3}f}×"


def ratio_text(value: float | None, lower: float | None, upper: float | None) -> str:
    """A ratio with its interval: 1.8× (1.1–3.2). Without an upper limit, or an estimate beside a lower one, it is open."""
    if lower is None and upper is None:
        return times_text(value)
    estimate = "∞" if value is None else "0×" if value == 0 else times_text(value)
    low = times_text(lower).removesuffix("×") if lower else "0"
    return f"{estimate} ({low}–{'∞' if upper is None else times_text(upper).removesuffix('×')})"


def probability_text(value: float | None) -> str:
    """A probability to three decimals; beyond them "< 0.001" and "> 0.999", because more would be pretence."""
    if value is None:
        return ABSENT
    return "< 0.001" if value < 0.001 else "> 0.999" if value > 0.999 else f"{value:.3f}"


def rate_cell(row: Row, prefix: str) -> dict[str, str]:
    """The rate `<prefix>_per_100k` for reading: text, interval and count.

    No event, or a rate below what the turns resolve (`counts.below_floor`), is "below 1 in N": N belongs to the interval's
    upper limit, which stands beside it, or to 3/N (-ln 0.05 / n, ESTIMATION.md) for a predecessor without an event, which
    the tables give without an interval. Without n there was no observation.
    """
    k, n = row.get(f"{prefix}_k"), row.get(f"{prefix}_n")
    rate, lower, upper = (row.get(f"{prefix}{part}_per_100k") for part in ("", "_lower", "_upper"))
    if not n:
        return {"text": "no data", "interval": "", "count": ""}
    count = f"{k if k is not None else '?'}/{n:,}" if not isinstance(k, int) else f"{k:,}/{n:,}"
    if not k:
        bound = upper if upper else zero_bound(n)
        return {"text": below_text(bound), "interval": f"0–{number_text(bound)}", "count": count}
    interval = f"{number_text(lower)}–{number_text(upper)}" if lower is not None and upper is not None else ""
    return {"text": rate_text(row, prefix), "interval": interval, "count": count}


def rate_text(row: Row, prefix: str) -> str:
    """The rate `<prefix>_per_100k` of some events: "below 1 in N" where the turns do not resolve it."""
    rate, upper = row.get(f"{prefix}_per_100k"), row.get(f"{prefix}_upper_per_100k")
    floor = resolvable_per_100k([row.get(f"{prefix}_n")], [row.get(f"{prefix}_design_effect")])
    below = upper and bool(below_floor([row.get(f"{prefix}_k")], [rate], floor)[0])
    return below_text(upper) if below else number_text(rate)


def below_rate_text(
    rate: float | None, lower: float | None, upper: float | None, floor: float | None = None
) -> str:
    """An estimated rate per 100k with its interval; one of zero, or below `floor`, is "below 1 in N" by its upper limit."""
    if rate is None:
        return ABSENT
    interval = f" ({number_text(lower or 0.0)}–{number_text(upper)})" if upper is not None else ""
    return (
        below_text(upper) if upper and (rate == 0 or rate < (floor or 0)) else number_text(rate)
    ) + interval


def zero_bound(n: int) -> float:
    """The 95 % upper bound per 100,000 on a rate with no event in n turns: -ln(0.05)/n, "3/N"."""
    return -math.log(0.05) / n * 100_000


def generic_cell(row: Row, column: str) -> str:
    """Any table's cell as text; a zero rate per 100k is "below 1 in N" by the row's upper limit, never 0."""
    value = row.get(column)
    if value is None:
        return WITHHELD if row.get("suppressed") else ABSENT
    if isinstance(value, bool):
        return "✓ yes" if value else "✗ no"
    if column.endswith("per_100k") and value == 0 and not {"lower", "upper"} & set(column.split("_")):
        upper = row.get(f"{column.removesuffix('per_100k')}upper_per_100k")
        return below_text(upper) if upper else "none observed"
    if column == "recall" and value < 1:  # what was missed is not rounded away
        return f"{min(value, 0.999):.3f}"
    if column.endswith("_at") and str(value).endswith("+00:00"):
        return f"{str(value)[:16].replace('T', ' ')} UTC"
    if column.endswith("_hash") and len(str(value)) > 16:
        return f"{str(value)[:12]}…"  # whole in the section on the stack and in the JSON
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return probability_text(value) if column.endswith("probability") else number_text(value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or ABSENT
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else str(value)


def direction_text(row: Row) -> str:
    """Whether the called direction of change was right, in words."""
    if row.get("direction_correct") is not None:
        return "✓ right" if row["direction_correct"] else "✗ wrong"
    if row.get("forecast_direction") == 0:
        return "no call"
    return "no change" if row.get("observed_direction") == 0 else ABSENT


def arrow_text(direction: int | None, zero: str = "none") -> str:
    """A sign of change in words."""
    return {1: "▲ rise", -1: "▼ fall", 0: zero}.get(direction, ABSENT)
