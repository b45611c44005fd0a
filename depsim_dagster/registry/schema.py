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


def _ratio(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit="ratio")


def _nats(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit="nats")


def _probability(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True)


_IDENTITY = [
    field("model", pa.string(), "the candidate X"),
    field("deployment", pa.string(), "the deployment Y that it replaces"),
    field("category", pa.string(), "category of the taxonomy"),
    field("category_group", pa.string(), "group of the category"),
]
_SEAL = [
    field("kind", pa.string(), "registered (before the release) or retrospective (a past version)"),
    field("stack_hash", pa.string(), "measurement stack of the labels"),
    field("forecast_hash", pa.string(), "seal of the forecast: hash of its entry in the registry's chain"),
    field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
]

_VARIANT = pa.struct(
    [
        field(
            "variant",
            pa.string(),
            "weeks (discounted towards the newest) or reweighted (to the target's traffic mix)",
        ),
        field("rate_per_100k", pa.float64(), "forecast rate", nullable=True, unit=PER_100K),
        field("lower_per_100k", pa.float64(), "lower limit", nullable=True, unit=PER_100K),
        field("upper_per_100k", pa.float64(), "upper limit", nullable=True, unit=PER_100K),
        field("n", pa.float64(), "turns that it rests on; under a discount a part of them", unit=TURNS),
        field("design_effect", pa.float64(), "variance relative to n independent turns", nullable=True),
        field("note", pa.string(), "how it was made"),
    ]
)

REGISTERED_FORECASTS = LakeTable(
    "registered_forecasts",
    "Sealed forecasts of a candidate, amendments included: every category's X→Y rate with its interval, beside Y→Y.",
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
            field(
                "tau",
                pa.float64(),
                "log-scale forecast error that widens the category's predicted count: as learned, and a known traffic shift",
            ),
            field("tau_lower", pa.float64(), "lower limit of tau: that of the learned error, with the shift"),
            field("tau_upper", pa.float64(), "upper limit of tau: that of the learned error, with the shift"),
            field("tau_prior", pa.float64(), "the study's tau, from which it was learned"),
            field("tau_pairs", pa.int64(), "scored forecasts that it was learned from", unit="pairs"),
            field("tau_source", pa.string(), "what it was learned from"),
            field(
                "variants",
                pa.list_(_VARIANT),
                "other forecasts of the same rate, each scored beside this one",
            ),
            field("level", pa.float64(), "confidence level of the intervals"),
            field("labels_hash", pa.string(), "SHA-256 over the content hashes of the label partitions"),
            field(
                "prefixes_hash",
                pa.string(),
                "SHA-256 over the content hashes of the prefixes; empty where none are published",
            ),
            field("code_version", pa.string(), "version of this code and a digest of its source"),
            field("amendment", pa.int32(), "0 for the forecast, 1 … for what replaced it before the outcome"),
            field("sequence", pa.int64(), "place of its entry in the registry's chain"),
            field("sealed_at", TIMESTAMP, "when the forecast was sealed"),
            field(
                "previous_hash",
                pa.string(),
                "hash of the entry before it in the registry's chain; empty for the first",
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
                "predecessor_production_design_effect",
                pa.float64(),
                "predecessor's production: variance relative to independent turns of equal weight",
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
                "pit",
                pa.float64(),
                "probability integral transform of the observed count, mid-P form: uniform where forecasts are calibrated",
                nullable=True,
            ),
            field(
                "sme",
                pa.float64(),
                "symmetric multiplicative error of forecast and observation",
                nullable=True,
                unit="ratio",
            ),
            _ratio("sme_lower", "lower limit of the SME, at least 1: sampling error of both counts"),
            _ratio("sme_upper", "upper limit of the SME"),
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
            _probability(
                "p_value",
                "test of equal forecast and observed rates, two-sided: sampling error of both counts",
            ),
            _probability(
                "p_benjamini_hochberg",
                "the same, adjusted over the candidate's categories (false discovery rate)",
            ),
            field(
                "missed",
                pa.bool_(),
                "the observed rate is not the forecast one, at a false discovery rate of 10 % over the categories",
                nullable=True,
            ),
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
            _nats(
                "predictive_log_score",
                "negative log probability of the observed count under the predictive distribution, tau included",
            ),
            field(
                "observed_ratio",
                pa.float64(),
                "observed rate over the predecessor's production rate, of smoothed rates",
                nullable=True,
                unit="ratio",
            ),
            _ratio("observed_ratio_lower", "lower limit of the ratio of the two rates"),
            _ratio(
                "observed_ratio_upper",
                "upper limit of the same; infinite where the predecessor was never flagged",
            ),
            _probability("observed_p_value", "test of an unchanged production rate, two-sided"),
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
                "direction_probability",
                pa.float64(),
                "probability that X's production rate lies above Y's; sampling error and tau included",
                nullable=True,
            ),
            field(
                "called_direction",
                pa.int8(),
                "direction with more than estimation.call_probability; 0: the forecast abstains",
                nullable=True,
            ),
            field(
                "called_correct",
                pa.bool_(),
                "called and observed direction agree; null unless both are non-zero",
                nullable=True,
            ),
            field(
                "ratio_per_100k",
                pa.float64(),
                "unshrunk ratio as forecast: predecessor's production rate times X→Y over Y→Y; null without an event in Y→Y",
                nullable=True,
                unit=PER_100K,
            ),
            _ratio("ratio_sme", "SME of the unshrunk ratio, on smoothed rates"),
            _nats(
                "ratio_log_score",
                "binomial negative log-likelihood under the unshrunk ratio, on smoothed rates",
            ),
            field(
                "ratio_direction",
                pa.int8(),
                "direction of the unshrunk ratio: sign of X→Y minus Y→Y, where Y's production is known",
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


def _tau(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit="log ratio")


VARIANT_CALIBRATION = LakeTable(
    "variant_calibration",
    "The sealed forecast and its variants (weeks discounted, traffic reweighted), each scored against the observed rates.",
    pa.schema(
        [
            *_IDENTITY,
            field("variant", pa.string(), "pooled (the forecast itself), weeks or reweighted"),
            field("forecast_per_100k", pa.float64(), "forecast rate", nullable=True, unit=PER_100K),
            field(
                "forecast_n",
                pa.float64(),
                "turns that it rests on; under a discount a part of them",
                unit=TURNS,
            ),
            field(
                "forecast_design_effect",
                pa.float64(),
                "forecast: variance relative to independent turns of equal weight",
                nullable=True,
            ),
            field(
                "observed_per_100k",
                pa.float64(),
                "production after the release: rate",
                nullable=True,
                unit=PER_100K,
            ),
            field("observed_k", pa.int64(), "production after the release: flagged target turns", unit=TURNS),
            field("observed_n", pa.int64(), "production after the release: graded target turns", unit=TURNS),
            _ratio("sme", "symmetric multiplicative error of forecast and observation"),
            _nats("log_score", "binomial negative log-likelihood of the observation"),
            _nats(
                "predictive_log_score",
                "negative log probability of the observed count under the predictive distribution, tau included",
            ),
            field(
                "predicted_count_lower",
                pa.int64(),
                "lower limit of the predicted observed count",
                nullable=True,
                unit=TURNS,
            ),
            field(
                "predicted_count_upper",
                pa.int64(),
                "upper limit of the predicted observed count",
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
                "pit",
                pa.float64(),
                "mid-P probability integral transform of the observed count in the predictive distribution",
                nullable=True,
            ),
            field("comparable", pa.bool_(), "at least ten events in forecast and observation together"),
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
            _ratio("ratio_sme_median", "median SME of the unshrunk ratio"),
            _tau("tau", "maximum-likelihood forecast error: SD of log(production rate / simulated rate)"),
            _tau("tau_lower", "lower limit of tau"),
            _tau("tau_upper", "upper limit of tau; null where the pairs give none"),
            _ratio("intrinsic_sme", "exp(0.6745 tau): the median SME that unlimited counts would leave"),
            _ratio("intrinsic_sme_lower", "the same at the lower limit of tau"),
            _ratio("intrinsic_sme_upper", "the same at the upper limit of tau"),
            field(
                "inside",
                pa.int64(),
                "pairs whose observed count lies in its predictive interval",
                unit="pairs",
            ),
            field(
                "inside_of", pa.int64(), "pairs that have a predictive interval and an outcome", unit="pairs"
            ),
            field("called", pa.int64(), "pairs with a called and an observed direction", unit="pairs"),
            field("called_correct", pa.int64(), "of these the right ones", unit="pairs"),
            field("abstained", pa.int64(), "pairs in which the forecast calls no direction", unit="pairs"),
            field(
                "called_movers", pa.int64(), "called pairs whose production rate moved by 1.5x", unit="pairs"
            ),
            field("called_movers_correct", pa.int64(), "of these the right ones", unit="pairs"),
        ]
    ),
    (),
)

REGISTERED_TESTS = LakeTable(
    "registered_tests",
    "The registered hypotheses H1, H2 and H3 of the method, tested on the scored forecasts.",
    pa.schema(
        [
            field("test", pa.string(), "H1, H2 or H3"),
            field("hypothesis", pa.string(), "what is claimed"),
            field("kind", pa.string(), "registered or retrospective; never pooled"),
            field("stack_hash", pa.string(), "measurement stack of the labels; never pooled"),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded; never pooled"),
            field("candidates", pa.int64(), "candidates among the pairs", unit="candidates"),
            field("pairs", pa.int64(), "pairs of candidate and category that the test is over", unit="pairs"),
            field(
                "estimate",
                pa.float64(),
                "H1, H2: mean of the baseline's log score minus the forecast's, nats per pair, above 0 where the forecast is "
                "better; H3: largest observed rate among the unseen behaviours, per 100,000 target turns",
                nullable=True,
            ),
            field("lower", pa.float64(), "lower limit of the estimate", nullable=True),
            field("upper", pa.float64(), "upper limit of the estimate", nullable=True),
            field("p_value", pa.float64(), "one-sided: small where the hypothesis holds", nullable=True),
            field("method", pa.string(), "how the p-value was made"),
            field("result", pa.string(), "supported, not_supported or not_testable"),
            field("reason", pa.string(), "what the result rests on, or what is absent"),
        ]
    ),
    (),
)

ERROR_DECOMPOSITION = LakeTable(
    "error_decomposition",
    "The error of a scored forecast by what it comes from: rates that differ in one thing, beside each other.",
    pa.schema(
        [
            *_IDENTITY,
            field(
                "component",
                pa.string(),
                "environment (Y→Y over Y's production), prefix (X→Y over X→X), environment_candidate (X→X over X's production), "
                "full (X→Y over X's production), grader (raw over corrected) or sampling (the noise floor of full)",
            ),
            *_counted_rate("a_", "first rate", nullable=True),
            field(
                "a_users", pa.int64(), "users among the turns of the first rate", nullable=True, unit="users"
            ),
            *_counted_rate("b_", "second rate", nullable=True),
            field(
                "b_users",
                pa.int64(),
                "users among the turns of the second rate; of a corrected one, among those that people read",
                nullable=True,
                unit="users",
            ),
            field(
                "log_ratio",
                pa.float64(),
                "natural logarithm of the first over the second rate",
                nullable=True,
            ),
            field(
                "log_ratio_lower", pa.float64(), "lower limit: sampling error of both rates", nullable=True
            ),
            field(
                "log_ratio_upper", pa.float64(), "upper limit: sampling error of both rates", nullable=True
            ),
            _ratio("sme", "symmetric multiplicative error of the two rates"),
            _ratio("sme_noise_floor_median", "median SME of two equal rates at these sizes"),
            _ratio("sme_noise_floor_p90", "90th percentile of the same"),
            field("comparable", pa.bool_(), "at least ten events on both sides together"),
            field(
                "between_share",
                pa.float64(),
                "share of the variance of one completion of the first rate that lies between prefixes; null with one completion",
                nullable=True,
            ),
            field("within_share", pa.float64(), "the rest: between completions of a prefix", nullable=True),
            field("note", pa.string(), "what the row rests on, or why it has no ratio"),
            *_SEAL,
        ]
    ),
    ("model",),
)
