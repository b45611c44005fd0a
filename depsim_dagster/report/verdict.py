"""How one candidate's forecast did, in a few numbers. SMEs come summarised (calibration_summary), with the noise floor of
that summary; here they are only looked up, and yes-or-no outcomes are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from depsim_dagster.errors import LakeError
from depsim_dagster.estimation.comparison.ratio import jeffreys_rate
from depsim_dagster.estimation.counts import counts_as_read
from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.report_content import ReportContent
from depsim_dagster.report.value_text import ABSENT, number_text, rate_cell, ratio_text

MISSING = ("missing", "missing_low_per_100k", "missing_high_per_100k")
TAU = ("tau", "tau_lower", "tau_upper", "intrinsic_sme", "intrinsic_sme_lower", "intrinsic_sme_upper")
RISE = 1.5  # METHOD.md: a production rate "moved" from 1.5x on
MINIMUM_EVENTS = (
    10  # the contract's bar for `comparable`; used here only to keep noise out of the lists of rises
)


@dataclass(frozen=True)
class Verdict:
    """How one candidate's forecast did. Errors (SME, a factor >= 1) are over the comparable categories only;
    None = no data. `noise_floor` and its p90 are what a perfect simulator's median SME would be. `missing_of` target
    turns were to be labelled in the forecast's worst category, and `missing` of them have no label, `missing_share` by
    weight. `called` directions are those that the forecast gave more than its call probability, and the rest `abstained`.
    `pit_below` and `pit_above` of `pit_of` outcomes lie in the lowest and the highest tenth of their prediction. `tau` is
    what is left of the error (as a log ratio) after sampling, and `intrinsic_sme` the median SME that it alone makes.
    """

    model: str
    deployment: str
    kind: str
    observed: bool
    categories: int
    comparable: int
    median_sme: float | None
    noise_floor: float | None
    noise_floor_p90: float | None
    baseline_median_sme: float | None
    p90_sme: float | None
    worst_sme: float | None
    worst_category: str | None
    above_noise: int
    above_noise_of: int
    directions_right: int
    directions_called: int
    movers_right: int
    movers_called: int
    paired_right: int
    paired_called: int
    missed: int
    missed_of: int
    inside: int
    inside_of: int
    called: int
    called_correct: int
    abstained: int
    called_movers: int
    called_movers_correct: int
    pit_below: int
    pit_above: int
    pit_of: int
    tau: float | None
    tau_lower: float | None
    tau_upper: float | None
    intrinsic_sme: float | None
    intrinsic_sme_lower: float | None
    intrinsic_sme_upper: float | None
    missing: int
    missing_of: int
    missing_share: float
    rises: tuple[Row, ...]


def candidates(content: ReportContent) -> dict[str, list[Row]]:
    """Rows per candidate, in release order. Candidates that are only sealed get calibration-like rows without
    outcome.

    Raises LakeError when a table has rows but no model or category column.
    """
    for name, frame in (("calibration", content.calibration), ("forecasts", content.forecasts)):
        missing = {"model", "category"} - set(map(str, frame.columns))
        if len(frame) and missing:
            raise LakeError(
                f"report: table '{name}' has no column {sorted(missing)}; pass the published table unchanged"
            )
    groups: dict[str, list[Row]] = {}
    for row in records(content.calibration):
        groups.setdefault(str(row["model"]), []).append(row)
    scored = {(str(row["model"]), str(row["category"])): row for rows in groups.values() for row in rows}
    released, sealed_only = {}, {}
    for row in records(content.standing_forecasts):
        model = str(row["model"])
        released[model] = str(row.get("released_at") or "")
        if beside := scored.get((model, str(row["category"]))):
            beside |= {f"forecast_{name}": row.get(name) for name in MISSING}
        if model not in groups:
            sealed_only.setdefault(model, []).append(_unobserved(row))
    groups |= sealed_only
    return {
        model: groups[model]
        for model in sorted(groups, key=lambda m: (m not in released, released.get(m, ""), m))
    }


def _unobserved(row: Row) -> Row:
    named = {
        "k": "forecast_k",
        "n": "forecast_n",
        **{name: f"forecast_{name}" for name in MISSING},
        "design_effect": "forecast_design_effect",
        "rate_per_100k": "forecast_per_100k",
        "lower_per_100k": "forecast_lower_per_100k",
        "upper_per_100k": "forecast_upper_per_100k",
    }
    return {named.get(key, key.replace("_rate_per_100k", "_per_100k")): value for key, value in row.items()}


def summaries(content: ReportContent) -> dict[str, Row]:
    """Per candidate its row of calibration_summary over all groups; none where rows of several stacks or kinds would
    have to be chosen between.
    """
    found: dict[str, list[Row]] = {}
    for row in records(content.summary):
        if row.get("category_group") == "all":
            found.setdefault(str(row.get("model")), []).append(row)
    return {model: rows[0] for model, rows in found.items() if len(rows) == 1}


def verdict(rows: Sequence[Row], summary: Row | None = None) -> Verdict:
    """One candidate's rows and its row of calibration_summary in one line of numbers."""
    first, summary = rows[0], summary or {}
    comparable = [row for row in rows if row.get("comparable") and row.get("sme") is not None]
    floored = [row for row in comparable if row.get("sme_noise_floor_p90") is not None]
    called = [row for row in rows if row.get("direction_correct") is not None]
    movers = [row for row in called if row.get("moved")]
    paired = [row for row in rows if row.get("paired_direction") and row.get("observed_direction")]
    judged = [row for row in rows if row.get("observed_in_prediction") is not None]
    tested = [row for row in rows if row.get("missed") is not None]
    sure = [row for row in rows if row.get("called_correct") is not None]
    sure_movers = [row for row in sure if row.get("moved")]
    pit = [row["pit"] for row in rows if row.get("pit") is not None]
    observed = any(row.get("observed_n") for row in rows)
    missing = max(rows, key=lambda row: row.get("forecast_missing") or 0)
    lost = missing.get("forecast_missing") or 0
    return Verdict(
        model=str(first["model"]),
        deployment=str(first.get("deployment") or ABSENT),
        kind=" and ".join(sorted({str(row["kind"]) for row in rows if row.get("kind")}))
        or "kind not recorded",
        observed=observed,
        categories=len(rows),
        comparable=len(comparable),
        median_sme=summary.get("sme_median"),
        noise_floor=summary.get("sme_median_noise_floor"),
        noise_floor_p90=summary.get("sme_median_noise_floor_p90"),
        baseline_median_sme=summary.get("baseline_sme_median"),
        p90_sme=summary.get("sme_p90"),
        worst_sme=summary.get("sme_worst"),
        worst_category=summary.get("sme_worst_category"),
        above_noise=sum(row["sme"] > row["sme_noise_floor_p90"] for row in floored),
        above_noise_of=len(floored),
        directions_right=sum(row["direction_correct"] for row in called),
        directions_called=len(called),
        movers_right=sum(row["direction_correct"] for row in movers),
        movers_called=len(movers),
        paired_right=sum(row["paired_direction"] == row["observed_direction"] for row in paired),
        paired_called=len(paired),
        missed=sum(row["missed"] for row in tested),
        missed_of=len(tested),
        inside=sum(row["observed_in_prediction"] for row in judged),
        inside_of=len(judged),
        called=len(sure),
        called_correct=sum(row["called_correct"] for row in sure),
        abstained=sum(row.get("called_direction") == 0 for row in rows),
        called_movers=len(sure_movers),
        called_movers_correct=sum(row["called_correct"] for row in sure_movers),
        pit_below=sum(value < 0.1 for value in pit),
        pit_above=sum(value > 0.9 for value in pit),
        pit_of=len(pit),
        **{name: summary.get(name) for name in TAU},
        missing=lost,
        missing_of=lost + (missing.get("forecast_n") or 0),
        missing_share=_missing_share(missing, lost),
        rises=tuple(biggest_rises(rows, observed)),
    )


def _missing_share(row: Row, lost: int) -> float:
    """By weight where the worst cases are known: under a cascade n counts only the turns that the grader read."""
    low, high = row.get("forecast_missing_low_per_100k"), row.get("forecast_missing_high_per_100k")
    asked = lost + (row.get("forecast_n") or 0)
    return (high - low) / 100_000 if None not in (low, high) else lost / asked if asked else 0.0


def biggest_rises(rows: Sequence[Row], observed: bool, limit: int = 3) -> list[Row]:
    """The largest increases of >= 1.5x on >= 10 events: production rate after release against the
    predecessor's, or, before there is an outcome, X→Y against Y→Y on the same prefixes (Jeffreys-smoothed,
    METHOD.md).
    """
    found = []
    for row in rows:
        left, right = ("observed", "predecessor_production") if observed else ("forecast", "predecessor_sim")
        k_new, n_new, k_old, n_old = (row.get(f"{side}_{part}") for side in (left, right) for part in "kn")
        if None in (k_new, k_old) or not n_new or not n_old or k_new + k_old < MINIMUM_EVENTS:
            continue
        ratio = row.get("observed_ratio") if observed else _rise(row)
        if ratio is not None and ratio >= RISE:
            found.append(
                {
                    "category": row["category"],
                    "ratio": ratio,
                    "before": rate_cell(row, right)["text"],
                    "after": rate_cell(row, left)["text"],
                    "forecast": rate_cell(row, "forecast")["text"],
                }
            )
    return sorted(found, key=lambda rise: (-rise["ratio"], str(rise["category"])))[:limit]


def _rise(row: Row) -> float:
    """X→Y over Y→Y, of smoothed rates; the predecessor carries no design effect, so the candidate's stands in for it."""
    smoothed = []
    for side in ("forecast", "predecessor_sim"):
        rate, n, effect = row[f"{side}_per_100k"], row[f"{side}_n"], row.get("forecast_design_effect")
        count, turns, _ = counts_as_read([rate], [n], [effect])
        smoothed.append(float(jeffreys_rate(count, turns)[0]))
    return smoothed[0] / smoothed[1]


def intrinsic_text(found: Verdict) -> str | None:
    """What is left of the error when the sampling of both counts is taken out."""
    if found.tau is None:
        return None
    tau = number_text(found.tau)
    if found.tau_lower is not None or found.tau_upper is not None:
        high = "∞" if found.tau_upper is None else number_text(found.tau_upper)
        tau += f" ({number_text(found.tau_lower or 0.0)}–{high})"
    error = ratio_text(found.intrinsic_sme, found.intrinsic_sme_lower, found.intrinsic_sme_upper)
    return f"without sampling error: {error}, from τ = {tau}"


def call_text(found: Verdict) -> str | None:
    """The directions that the forecast was sure of, and those that it left open."""
    if not found.called and not found.abstained:
        return None
    return (
        f"sure calls: {found.called_correct} of {found.called} right, {found.called_movers_correct} of "
        f"{found.called_movers} where production moved; {found.abstained} abstained"
    )


def missed_text(found: Verdict) -> str | None:
    """How many forecast rates were wrong beyond sampling error, many being looked at."""
    if not found.missed_of:
        return None
    return f"{found.missed} of {found.missed_of} missed beyond sampling error (false discovery rate 10 %)"


def pit_text(found: Verdict) -> str | None:
    """Whether observed counts fall evenly over their predictions."""
    if not found.pit_of:
        return None
    return (
        f"PIT of {found.pit_of} observed counts: {found.pit_below} in the lowest tenth of their prediction and "
        f"{found.pit_above} in the highest, where {found.pit_of / 10:.1f} each are to be expected"
    )


def missing_text(found: Verdict) -> str | None:
    """What is to be said of a forecast that does not rest on every turn it asked for."""
    if not found.missing:
        return None
    return (
        f"{found.missing:,} of {found.missing_of:,} forecast turns have no label ({found.missing_share:.1%}): "
        "the rates rest on those that were answered and graded"
    )
