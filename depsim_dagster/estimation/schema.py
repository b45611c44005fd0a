"""Tables of the estimation station: rates with their intervals, per week and model."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field

PER_100K = "flagged turns per 100,000 target turns"

RATES = pa.schema(
    [
        field("week", pa.string(), "Monday of the week (UTC)"),
        field("model", pa.string(), "the model that wrote the target turns"),
        field(
            "deployment",
            pa.string(),
            "the deployment from whose traffic the prefixes are, or the prefix source",
        ),
        field("prefix_source", pa.string(), "deployment_traffic, challenging_prompts or external_corpus"),
        field("source", pa.string(), "simulated or production"),
        field("category", pa.string(), "category of the taxonomy"),
        field("category_group", pa.string(), "group of the category"),
        field("k", pa.int64(), "flagged target turns", unit="turns"),
        field(
            "n",
            pa.int64(),
            "graded target turns: those that the grader read, under a cascade fewer than the rate speaks for",
            unit="turns",
        ),
        field(
            "missing",
            pa.int64(),
            "target turns without a label (no completion, no verdict); not those screened out",
            unit="turns",
        ),
        field("clusters", pa.int64(), "users among the graded turns", unit="users"),
        field(
            "design_effect",
            pa.float64(),
            "variance relative to n independent turns of equal weight; below 1 where a cascade reads the right turns",
            nullable=True,
        ),
        field(
            "effective_n",
            pa.float64(),
            "n over the design effect: the independent turns that the interval is worth",
            nullable=True,
            unit="turns",
        ),
        field("rate_per_100k", pa.float64(), "Hájek estimate", nullable=True, unit=PER_100K),
        field("lower_per_100k", pa.float64(), "lower limit of the interval", nullable=True, unit=PER_100K),
        field("upper_per_100k", pa.float64(), "upper limit of the interval", nullable=True, unit=PER_100K),
        field(
            "missing_low_per_100k",
            pa.float64(),
            "the estimate if no missing turn showed the behaviour",
            nullable=True,
            unit=PER_100K,
        ),
        field(
            "missing_high_per_100k",
            pa.float64(),
            "the estimate if every missing turn showed it",
            nullable=True,
            unit=PER_100K,
        ),
        field(
            "resolvable_per_100k",
            pa.float64(),
            "the smallest rate that these turns resolve: the upper limit that they would give with no event",
            nullable=True,
            unit=PER_100K,
        ),
        field("level", pa.float64(), "confidence level of the interval"),
        field("method", pa.string(), "how the interval was made"),
        field(
            "below_floor",
            pa.bool_(),
            "no event was seen, or the rate is below what these turns resolve: read it as below the upper limit",
        ),
        field("stack_hash", pa.string(), "measurement stack of the labels"),
        field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
    ]
)

RATE_ESTIMATES = LakeTable(
    "rate_estimates", "Simulated rate of every category, per week and model.", RATES, ("week", "model")
)
OBSERVED_RATES = LakeTable(
    "observed_rates", "Observed production rate of every category, per week and deployment.", RATES, ("week",)
)
STRATUM_RATES = LakeTable(
    "stratum_rates",
    "Rate of every category among the turns of one language, length, position, tools or topic, per candidate and window.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate, who wrote the target turns"),
            field("traffic", pa.string(), "the deployment from whose traffic the prefixes are"),
            RATES.field("source"),
            field("dimension", pa.string(), "covariate: language, length, turn_position, tools or topic"),
            field("value", pa.string(), "value of the covariate; unknown where the log has none"),
            *(
                column
                for column in RATES
                if column.name not in ("week", "model", "deployment", "prefix_source", "source")
            ),
        ]
    ),
    (),
)
