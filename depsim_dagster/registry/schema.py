"""Tables of the registry: sealed forecasts, and their score after the release."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.estimation.schema import PER_100K
from depsim_dagster.lake import TIMESTAMP, LakeTable, field

TURNS = "turns"


def _counted_rate(
    prefix: str, meaning: str, rate: str = "per_100k", *, interval: bool = False, nullable: bool = False
) -> list[pa.Field]:
    """The columns <prefix>k, <prefix>n and <prefix>per_100k, with limits where there is an interval."""
    columns = [
        field(f"{prefix}k", pa.int64(), f"{meaning}: flagged target turns", nullable=nullable, unit=TURNS),
        field(f"{prefix}n", pa.int64(), f"{meaning}: graded target turns", nullable=nullable, unit=TURNS),
        field(f"{prefix}{rate}", pa.float64(), f"{meaning}: rate", nullable=True, unit=PER_100K),
    ]
    if interval:
        columns += [
            field(
                f"{prefix}lower_per_100k",
                pa.float64(),
                f"{meaning}: lower limit",
                nullable=True,
                unit=PER_100K,
            ),
            field(
                f"{prefix}upper_per_100k",
                pa.float64(),
                f"{meaning}: upper limit",
                nullable=True,
                unit=PER_100K,
            ),
        ]
    return columns


_IDENTITY = [
    field("model", pa.string(), "the candidate X"),
    field("deployment", pa.string(), "the deployment Y that it replaces"),
    field("category", pa.string(), "category of the taxonomy"),
    field("category_group", pa.string(), "group of the category"),
]
_SEAL = [
    field("kind", pa.string(), "registered (before the release) or retrospective (a past version)"),
    field("stack_hash", pa.string(), "measurement stack of the labels"),
    field("forecast_hash", pa.string(), "seal of the forecast: SHA-256 over its rows and the previous seal"),
    field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
]

REGISTERED_FORECASTS = LakeTable(
    "registered_forecasts",
    "The sealed forecast of a candidate: the X→Y rate of every category with its interval, and Y→Y beside it.",
    pa.schema(
        [
            *_IDENTITY,
            field("released_at", pa.string(), "release time of the candidate (ISO 8601, UTC)"),
            field("forecast_weeks", pa.list_(pa.string()), "weeks whose prefixes were replayed"),
            *_counted_rate("", "candidate on Y's prefixes (X→Y)", "rate_per_100k", interval=True),
            field("missing", pa.int64(), "target turns without a label", unit=TURNS),
            field("clusters", pa.int64(), "users among the graded turns", unit="users"),
            field(
                "design_effect",
                pa.float64(),
                "variance relative to independent turns of equal weight",
                nullable=True,
            ),
            *_counted_rate(
                "predecessor_sim_", "predecessor on the same prefixes (Y→Y)", "rate_per_100k", nullable=True
            ),
            field("tau", pa.float64(), "log-scale forecast error that widens the predicted count"),
            field("level", pa.float64(), "confidence level of the intervals"),
            field("labels_hash", pa.string(), "SHA-256 over the content hashes of the label partitions"),
            field("sealed_at", TIMESTAMP, "when the forecast was sealed"),
            field(
                "previous_hash",
                pa.string(),
                "seal of the forecast that was sealed before; empty for the first",
            ),
            *_SEAL,
        ]
    ),
    ("model",),
)

POST_RELEASE_CALIBRATION = LakeTable(
    "post_release_calibration",
    "The sealed forecast beside the observed rates of the released model, scored per category.",
    pa.schema(
        [
            *_IDENTITY,
            *_counted_rate("forecast_", "forecast (X→Y)", interval=True),
            *_counted_rate("observed_", "production after the release", interval=True),
            field("observed_missing", pa.int64(), "observed target turns without a label", unit=TURNS),
            field(
                "forecast_design_effect",
                pa.float64(),
                "forecast: variance relative to independent turns of equal weight",
                nullable=True,
            ),
            field(
                "observed_design_effect",
                pa.float64(),
                "production after the release: variance relative to independent turns of equal weight",
                nullable=True,
            ),
            *_counted_rate("predecessor_sim_", "predecessor on the same prefixes (Y→Y)", nullable=True),
            *_counted_rate(
                "predecessor_production_",
                "predecessor's production before the release (predict no change)",
                nullable=True,
            ),
            field(
                "predicted_count_lower",
                pa.int64(),
                "lower limit of the predicted observed count; under a cascade out of the turns that the rate is worth",
                nullable=True,
                unit=TURNS,
            ),
            field(
                "predicted_count_upper",
                pa.int64(),
                "upper limit of the predicted observed count; under a cascade out of the turns that the rate is worth",
                nullable=True,
                unit=TURNS,
            ),
            field(
                "observed_in_prediction",
                pa.bool_(),
                "the observed count lies within these limits",
                nullable=True,
            ),
            field(
                "sme",
                pa.float64(),
                "symmetric multiplicative error of forecast and observation",
                nullable=True,
                unit="ratio",
            ),
            field(
                "sme_noise_floor_median",
                pa.float64(),
                "median SME of a perfect forecast at these sizes",
                nullable=True,
                unit="ratio",
            ),
            field(
                "sme_noise_floor_p90",
                pa.float64(),
                "90th percentile of the same",
                nullable=True,
                unit="ratio",
            ),
            field("baseline_sme", pa.float64(), "SME of predicting no change", nullable=True, unit="ratio"),
            field("comparable", pa.bool_(), "at least ten events in forecast and observation together"),
            field(
                "log_score",
                pa.float64(),
                "binomial negative log-likelihood of the observation",
                nullable=True,
                unit="nats",
            ),
            field(
                "baseline_log_score",
                pa.float64(),
                "the same for predicting no change",
                nullable=True,
                unit="nats",
            ),
            field(
                "observed_ratio",
                pa.float64(),
                "observed rate over the predecessor's production rate",
                nullable=True,
                unit="ratio",
            ),
            field("moved", pa.bool_(), "the production rate moved by at least 1.5x", nullable=True),
            field(
                "forecast_direction",
                pa.int8(),
                "sign of X→Y minus the predecessor's production rate",
                nullable=True,
            ),
            field(
                "observed_direction",
                pa.int8(),
                "sign of the observed minus the predecessor's production rate",
                nullable=True,
            ),
            field("paired_direction", pa.int8(), "sign of X→Y minus Y→Y", nullable=True),
            field(
                "direction_correct",
                pa.bool_(),
                "forecast and observed direction agree; null unless both are non-zero",
                nullable=True,
            ),
            field(
                "rise_probability",
                pa.float64(),
                "probability that the forecast rate is at least 1.5x the old one",
                nullable=True,
            ),
            field(
                "detectable_per_100k",
                pa.float64(),
                "rate that the coverage test would have caught",
                nullable=True,
                unit=PER_100K,
            ),
            *_SEAL,
        ]
    ),
    ("model",),
)


def _ratio(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit="ratio")


def _nats(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit="nats")


BASELINE_CALIBRATION = LakeTable(
    "baseline_calibration",
    "What the rates on challenging prompts and on an external corpus would have forecast, beside the sealed forecast.",
    pa.schema(
        [
            *_IDENTITY,
            field("prefix_source", pa.string(), "challenging_prompts or external_corpus"),
            *_counted_rate("baseline_", "candidate on the source's prefixes"),
            *_counted_rate("predecessor_", "predecessor on the same prefixes", nullable=True),
            field("forecast_per_100k", pa.float64(), "forecast (X→Y): rate", nullable=True, unit=PER_100K),
            *_counted_rate("observed_", "production after the release"),
            field("comparable", pa.bool_(), "of the forecast: ten events with the observation together"),
            field("moved", pa.bool_(), "the production rate moved by at least 1.5x", nullable=True),
            _ratio("sme", "symmetric multiplicative error of the forecast"),
            _ratio("baseline_sme", "the same of the source's rate"),
            _nats("log_score", "binomial negative log-likelihood of the observation under the forecast"),
            _nats("baseline_log_score", "the same under the source's rate"),
            field(
                "observed_direction",
                pa.int8(),
                "sign of the observed minus the predecessor's production rate",
                nullable=True,
            ),
            field(
                "baseline_direction",
                pa.int8(),
                "sign of candidate minus predecessor on the source's prefixes",
                nullable=True,
            ),
            field(
                "direction_correct",
                pa.bool_(),
                "forecast and observed direction agree; null unless both are non-zero",
                nullable=True,
            ),
            field("baseline_direction_correct", pa.bool_(), "the same for the source", nullable=True),
            *_SEAL,
        ]
    ),
    ("model",),
)


CALIBRATION_SUMMARY = LakeTable(
    "calibration_summary",
    "The study's error in one number per candidate and group, beside what a perfect forecast would show.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate X, or all"),
            field("category_group", pa.string(), "group of categories, or all"),
            field("kind", pa.string(), "registered or retrospective; never pooled"),
            field("stack_hash", pa.string(), "measurement stack of the labels; never pooled"),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded; never pooled"),
            field("categories", pa.int64(), "scored pairs of candidate and category", unit="pairs"),
            field(
                "comparable_categories",
                pa.int64(),
                "pairs with ten events or more in forecast and observation together; the statistics are over these",
                unit="pairs",
            ),
            _ratio("sme_median", "median SME"),
            _ratio("sme_median_noise_floor", "median of the median SME that a perfect forecast would show"),
            _ratio("sme_median_noise_floor_p90", "90th percentile of the same"),
            _ratio("baseline_sme_median", "median SME of predicting no change"),
            _ratio("sme_p90", "90th percentile of the SMEs"),
            _ratio("sme_worst", "largest SME"),
            field("sme_worst_category", pa.string(), "category of the largest SME", nullable=True),
            field("sme_worst_model", pa.string(), "candidate of the largest SME", nullable=True),
        ]
    ),
    (),
)
