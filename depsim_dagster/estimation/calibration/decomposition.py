"""Where the error of a forecast comes from: rates that differ in one thing only, beside each other.

    environment             Y→Y against Y's production     same model, same prefixes: what the replay changes
    prefix                  X→Y against X→X                same model, same replay: what the other traffic changes
    environment_candidate   X→X against X's production     the replay again, of the candidate
    full                    X→Y against X's production     the forecast; about prefix times environment_candidate
    grader                  X's raw against its corrected production rate
    sampling                what two equal rates would show at the sizes of `full`

Log ratios add up: full = prefix + environment_candidate where both rest on the same turns. Every component carries the
sampling error of its own two rates (interval and noise floor), so a component whose interval holds 0 is not shown to be
there. Where both sides are of the same turns their noise is partly shared, and the interval is too wide rather than too
narrow. Not here: reading labels (registry/decomposition_rows.py), and tau, which pools over categories (`summary`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from depsim_dagster.estimation.calibration.noise_floor import NOISE_DRAWS, sme_noise_floor
from depsim_dagster.estimation.calibration.scoring import comparable
from depsim_dagster.estimation.comparison.ratio import jeffreys_rate, ratio_interval, sme
from depsim_dagster.estimation.counts import as_floats, counts_as_read
from depsim_dagster.estimation.inputs import EstimationError, require_columns, require_level

RATE_COLUMNS = ("category", "k", "n", "clusters", "rate_per_100k", "design_effect")
CORRECTED_COLUMNS = (
    "category", "k", "n", "clusters", "audited_clusters", "rate_per_100k", "corrected_per_100k",
    "corrected_lower_per_100k", "corrected_upper_per_100k", "method", "reason",
)  # fmt: skip
DECOMPOSITION_COLUMNS = (
    "category", "component", "a_k", "a_n", "a_users", "a_per_100k", "b_k", "b_n", "b_users", "b_per_100k",
    "log_ratio", "log_ratio_lower", "log_ratio_upper", "sme", "sme_noise_floor_median", "sme_noise_floor_p90",
    "comparable", "between_share", "within_share", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Rates of `a` over rates of `b` (RATE_COLUMNS, one row per category); None where there are none, and `note` says
    why. `between_share`: category -> share of the variance between prefixes, where `a` has several completions of one."""

    component: str
    a: pd.DataFrame | None
    b: pd.DataFrame | None
    note: str = ""
    between_share: Mapping[str, float] | None = None


def decompose(
    comparisons: list[Comparison],
    categories: list[str],
    corrected: pd.DataFrame | None = None,
    level: float = 0.95,
    seed: int = 0,
    noise_draws: int = NOISE_DRAWS,
) -> pd.DataFrame:
    """One row per category and component, in the order given, with exactly DECOMPOSITION_COLUMNS.

    `log_ratio` is the natural logarithm of a over b, of Jeffreys-smoothed rates, its limits those of
    `comparison.ratio.ratio_interval` with both design effects; `sme` and its floor are as in post_release_calibration.
    The row `sampling` repeats the sizes of `full` and has its noise floor's median as `sme`, and no ratio. `corrected`
    (CORRECTED_COLUMNS, of production) makes the row `grader`, whose ratio is the raw over the corrected rate, both as
    estimated, with the corrected rate's interval: no noise floor, as both come from the same turns. Its b_users are those of
    the turns that people read.

    Raises EstimationError for missing columns, or without a comparison `full`.
    """
    require_level(level)
    full = [made for made in comparisons if made.component == "full"]
    if len(full) != 1:
        raise EstimationError("comparisons: give exactly one with the component 'full'.")
    parts = [_ratios(made, categories, level, seed, noise_draws) for made in comparisons]
    parts.append(_grader(corrected, categories))
    parts.append(_sampling(parts[comparisons.index(full[0])]))
    out = pd.concat(parts, ignore_index=True)
    order = {name: place for place, name in enumerate(categories)}
    # Components keep their order within a category.
    return out.sort_values("category", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _ratios(made: Comparison, categories: list[str], level: float, seed: int, draws: int) -> pd.DataFrame:
    out = _blank(categories, made.component, made.note)
    sides = []
    for name, rates in (("a", made.a), ("b", made.b)):
        if rates is None:
            continue
        require_columns(rates, RATE_COLUMNS, f"{made.component} {name}")
        rates = rates.set_index("category").reindex(categories)
        for column, source in (("k", "k"), ("n", "n"), ("users", "clusters")):
            out[f"{name}_{column}"] = _whole(rates[source])
        out[f"{name}_per_100k"] = as_floats(rates["rate_per_100k"])
        sides.append(counts_as_read(rates["rate_per_100k"], rates["n"], rates["design_effect"]))
    if len(sides) < 2:
        return out
    (x1, n1, d1), (x2, n2, d2) = sides
    known = (n1 > 0) & (n2 > 0)
    if not known.any():
        return out
    ratio = jeffreys_rate(x1, n1) / jeffreys_rate(x2, n2)
    out["log_ratio"] = np.log(ratio)
    limits = ratio_interval(
        *(value[known] for value in (x1, n1, x2, n2)),
        level,
        *(value[known] for value in (d1, d2)),
    )
    for name, limit in zip(("log_ratio_lower", "log_ratio_upper"), limits, strict=True):
        out.loc[known, name] = np.log(limit)
    out["sme"] = sme(ratio, 1.0)
    out["sme_noise_floor_median"], out["sme_noise_floor_p90"] = sme_noise_floor(
        x1, n1, x2, n2, draws, seed, d1, d2
    )
    counts = [out[f"{name}_k"].to_numpy(dtype=float, na_value=0.0) for name in ("a", "b")]
    out["comparable"] = comparable(*counts) & known
    if made.between_share is not None:
        out["between_share"] = as_floats(out["category"].map(dict(made.between_share)))
        out["within_share"] = 1.0 - out["between_share"]
    return out


def _grader(corrected: pd.DataFrame | None, categories: list[str]) -> pd.DataFrame:
    if corrected is None:
        return _blank(categories, "grader", "no corrected rates: no labels of people on these turns")
    require_columns(corrected, CORRECTED_COLUMNS, "corrected")
    rates = corrected.set_index("category").reindex(categories)
    out = _blank(categories, "grader", "")
    note = rates["method"].where(rates["method"].ne("refused"), "refused: " + rates["reason"])
    out["note"] = note.fillna("not corrected").to_numpy(dtype=object)
    for column, source in (
        ("a_k", "k"),
        ("a_n", "n"),
        ("a_users", "clusters"),
        ("b_users", "audited_clusters"),
    ):
        out[column] = _whole(rates[source])
    raw, right = as_floats(rates["rate_per_100k"]), as_floats(rates["corrected_per_100k"])
    out["a_per_100k"], out["b_per_100k"] = raw, right

    def log_over(limit: np.ndarray) -> np.ndarray:
        both = (raw > 0) & (limit > 0)
        return np.log(np.divide(raw, limit, out=np.full(len(raw), np.nan), where=both))

    out["log_ratio"] = log_over(right)
    out["log_ratio_lower"] = log_over(as_floats(rates["corrected_upper_per_100k"]))
    out["log_ratio_upper"] = log_over(as_floats(rates["corrected_lower_per_100k"]))
    out["sme"] = np.exp(np.abs(out["log_ratio"]))
    return out


def _sampling(full: pd.DataFrame) -> pd.DataFrame:
    kept = [f"{side}_{name}" for side in "ab" for name in ("k", "n", "users", "per_100k")] + ["comparable"]
    floors = ["sme_noise_floor_median", "sme_noise_floor_p90"]
    out = _blank(full["category"].tolist(), "sampling", "median SME of two equal rates at these sizes")
    out[kept + floors] = full[kept + floors]
    out["sme"] = full["sme_noise_floor_median"]
    return out


def _whole(counts: pd.Series) -> pd.api.extensions.ExtensionArray:
    return pd.array(as_floats(counts), dtype="Float64").astype("Int64")


def _blank(categories: list[str], component: str, note: str) -> pd.DataFrame:
    out = pd.DataFrame({"category": categories, "component": component})
    for column in DECOMPOSITION_COLUMNS[2:]:
        if column.endswith(("_k", "_n", "_users")):
            out[column] = pd.array([None] * len(categories), dtype="Int64")
        elif column == "comparable":
            out[column] = False
        elif column == "note":
            out[column] = note
        else:
            out[column] = np.nan
    return out[list(DECOMPOSITION_COLUMNS)]
