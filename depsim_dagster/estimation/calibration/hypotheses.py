"""The registered hypotheses of METHOD.md, tested on the scored forecasts.

    H1  the forecast beats the previous production rate       per-category binomial log score, paired
    H2  the forecast beats challenging prompts                the same
    H3  no unseen behaviour above the rate that was detectable

A kind of forecast (registered or retrospective), a measurement stack and a sandbox flag are one study each, never pooled.
What cannot be tested says why, and is neither supported nor refuted. Not here: the scores (`scoring`, `baselines`), and
looking for the behaviours that the taxonomy lacks (audit).
"""

import numpy as np
import pandas as pd
from scipy import special

from depsim_dagster.estimation.calibration.paired_differences import paired_test, units_needed
from depsim_dagster.estimation.counts import PER, as_floats, counts_as_read
from depsim_dagster.estimation.inputs import EstimationError, require_columns, require_level

STUDY_KEYS = ["kind", "stack_hash", "sandbox"]
PAIR_KEYS = ["model", "category"]
CHALLENGING_PROMPTS = "challenging_prompts"
NOVEL = "novel_other"
HYPOTHESES = {
    "H1": "The forecast predicts the observed counts better than the previous production rate does.",
    "H2": "The forecast predicts the observed counts better than the rates on challenging prompts do.",
    "H3": "No behaviour that the simulation did not show occurs in production at or above the rate that it would have shown.",
}
TEST_COLUMNS = (
    "test", "hypothesis", *STUDY_KEYS, "candidates", "pairs",
    "estimate", "lower", "upper", "p_value", "method", "result", "reason",
)  # fmt: skip
CALIBRATION_READ = (
    *PAIR_KEYS, *STUDY_KEYS, "forecast_hash", "log_score", "baseline_log_score",
    "forecast_k", "observed_n", "observed_per_100k", "observed_design_effect",
    "observed_lower_per_100k", "observed_upper_per_100k", "detectable_per_100k",
)  # fmt: skip
BASELINES_READ = (
    *PAIR_KEYS,
    *STUDY_KEYS,
    "forecast_hash",
    "prefix_source",
    "log_score",
    "baseline_log_score",
)


def registered_tests(
    calibration: pd.DataFrame, baselines: pd.DataFrame, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Three rows (H1, H2, H3) per kind, stack and sandbox flag, sorted by these, with exactly TEST_COLUMNS.

    calibration: rows of post_release_calibration; baselines: of baseline_calibration, which may be empty. A hypothesis is
    supported where its one-sided p-value is below 1 - level.

    H1 and H2: estimate is the mean over the pairs (candidate and category) that have both scores of the baseline's log
    score minus the forecast's, nats; test and limits are `paired_test`'s. H3: a behaviour is unseen where the simulation
    flagged no turn of it, and `novel_other` always is. Of each, the p-value is that of the observed count or fewer if its
    rate were the detectable one; all must be below it, so the largest p-value counts (intersection-union, Berger 1982,
    Technometrics 24:295-300). estimate, lower, upper: the observed rate per 100k of the behaviour with that p-value.

    Raises EstimationError for missing columns, or baselines beside another forecast than the scored one.
    """
    require_level(level)
    require_columns(calibration, CALIBRATION_READ, "calibration")
    require_columns(baselines, BASELINES_READ, "baselines")
    _refuse_other_forecasts(calibration, baselines)
    rows = []
    for key, study in calibration.groupby(STUDY_KEYS, sort=True):
        name = dict(zip(STUDY_KEYS, key, strict=True))
        chosen = (baselines[STUDY_KEYS] == list(key)).all(axis=1) & (
            baselines["prefix_source"] == CHALLENGING_PROMPTS
        )
        found = {
            "H1": _beats(study, "the study has no previous production rate of the predecessor", level, seed),
            "H2": _beats(baselines[chosen], "the study replays no challenging prompts", level, seed),
            "H3": _nothing_unseen(study, level),
        }
        rows += [{"test": test, "hypothesis": HYPOTHESES[test], **name, **row} for test, row in found.items()]
    return pd.DataFrame(rows, columns=list(TEST_COLUMNS))


def _beats(rows: pd.DataFrame, absent: str, level: float, seed: int) -> dict[str, object]:
    """H1 and H2: the forecast's log scores are lower than the baseline's."""
    gain = as_floats(rows["baseline_log_score"]) - as_floats(rows["log_score"])
    rows, gain = rows[np.isfinite(gain)], gain[np.isfinite(gain)]
    size = _size(rows)
    if not len(gain):
        return _not_testable(size, f"{absent}, so no pair has both scores")
    test = paired_test(gain, rows["model"], level, seed)
    needed = units_needed(1 - level)
    figures = {"estimate": test.estimate, "lower": test.lower, "upper": test.upper}
    if test.units < needed:
        return _not_testable(
            size, f"{test.units} pairs; below {needed} no p-value can be under {1 - level:.2g}", figures
        )
    patterns = "every sign pattern" if test.exact else "random sign patterns"
    better = f"the forecast is better in {int(np.sum(gain > 0))} of {len(gain)} pairs"
    if test.unit == "pair":
        better += f"; below {needed} candidates the pairs are taken as independent, which they are not quite"
    return {
        **size,
        **figures,
        "p_value": test.p_value,
        "method": f"paired sign-flip permutation by {test.unit}, {patterns}; bootstrap interval",
        **_verdict(test.p_value, level, better),
    }


def _nothing_unseen(study: pd.DataFrame, level: float) -> dict[str, object]:
    """H3: every behaviour that the simulation did not show stays below the rate that it would have shown."""
    unseen = study[(as_floats(study["forecast_k"]) == 0) | (study["category"] == NOVEL)]
    unseen = unseen.assign(detectable=as_floats(unseen["detectable_per_100k"]) / PER)
    observed = unseen[(as_floats(unseen["observed_n"]) > 0) & unseen["detectable"].notna()]
    size = _size(observed)
    if unseen.empty:
        return _not_testable(
            size,
            f"every category was seen in the simulation, and the taxonomy has no {NOVEL} for what it lacks",
        )
    if observed.empty:
        return _not_testable(size, "no unseen behaviour has observed turns and a detectable rate")
    k, n, effect = counts_as_read(*(observed[f"observed_{x}"] for x in ("per_100k", "n", "design_effect")))
    k, n, rate = k / effect, n / effect, observed["detectable"].to_numpy()
    # P(Binomial(n, rate) <= k), for fractional effective counts too; at k = n it is 1.
    p_values = np.where(k >= n, 1.0, special.betainc(np.maximum(n - k, 1e-9), k + 1, 1 - rate))
    worst = int(np.argmax(p_values))
    row, p_value = observed.iloc[worst], float(p_values[worst])
    figures = {
        "estimate": float(row["observed_per_100k"]),
        "lower": _or_none(row["observed_lower_per_100k"]),
        "upper": _or_none(row["observed_upper_per_100k"]),
    }
    about = (
        f"{len(observed)} unseen; nearest to its detectable rate ({PER * rate[worst]:.3g} per 100k) is {row['category']} of "
        f"{row['model']} with {figures['estimate']:.3g} per 100k"
    )
    # Could even the best outcome, no event at all, have said that the rate is below?
    silent = (1 - rate[worst]) ** n[worst]
    if p_value >= 1 - level and k[worst] == 0 and silent >= 1 - level:
        return _not_testable(
            size, f"{about}; {int(row['observed_n']):,} observed turns are too few to tell", figures
        )
    return {
        **size,
        **figures,
        "p_value": p_value,
        "method": "binomial test of each unseen behaviour at its detectable rate; the largest p-value",
        **_verdict(p_value, level, about),
    }


def _size(rows: pd.DataFrame) -> dict[str, object]:
    return {"candidates": int(rows["model"].nunique()), "pairs": len(rows)}


def _verdict(p_value: float, level: float, reason: str) -> dict[str, object]:
    return {"result": "supported" if p_value < 1 - level else "not_supported", "reason": reason}


def _not_testable(
    size: dict[str, object], reason: str, figures: dict[str, object] | None = None
) -> dict[str, object]:
    return {**size, **(figures or {}), "method": "none", "result": "not_testable", "reason": reason}


def _or_none(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _refuse_other_forecasts(calibration: pd.DataFrame, baselines: pd.DataFrame) -> None:
    """A baseline is tested against the forecast that it was scored beside."""
    keys = [*PAIR_KEYS, *STUDY_KEYS, "forecast_hash"]
    beside = baselines[keys].merge(calibration[keys], how="left", indicator=True)
    stale = beside[beside["_merge"] == "left_only"]
    if len(stale):
        raise EstimationError(
            f"baselines: {len(stale)} rows are beside another forecast than the scored one, first "
            f"{tuple(stale[PAIR_KEYS].iloc[0])}; materialise baseline_calibration of {stale['model'].iloc[0]} again."
        )
