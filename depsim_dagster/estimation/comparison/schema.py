"""The table of the comparison room."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.estimation.schema import PER_100K
from depsim_dagster.lake import LakeTable, field


def _number(name: str, meaning: str, unit: str | None = None) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, **({"unit": unit} if unit else {}))


MODEL_COMPARISON = LakeTable(
    "model_comparison",
    "The candidate beside its predecessor on the same prefixes (X→Y against Y→Y): which behaviours rose?",
    pa.schema(
        [
            field("model", pa.string(), "the candidate X"),
            field("deployment", pa.string(), "the deployment Y that it replaces"),
            field("category", pa.string(), "category of the taxonomy"),
            field("category_group", pa.string(), "group of the category"),
            field(
                "pairs",
                pa.int64(),
                "prefixes and completions whose label is known for both models",
                unit="pairs",
            ),
            field("both", pa.int64(), "pairs in which both models were flagged", unit="pairs"),
            field(
                "only_candidate", pa.int64(), "pairs in which the candidate alone was flagged", unit="pairs"
            ),
            field(
                "only_predecessor",
                pa.int64(),
                "pairs in which the predecessor alone was flagged",
                unit="pairs",
            ),
            _number("candidate_per_100k", "rate of the candidate over the pairs", PER_100K),
            _number("predecessor_per_100k", "rate of the predecessor over the pairs", PER_100K),
            _number("ratio", "candidate over predecessor", "ratio"),
            _number("ratio_lower", "lower limit of the ratio", "ratio"),
            _number(
                "ratio_upper",
                "upper limit of the ratio; infinite where the predecessor was never flagged",
                "ratio",
            ),
            _number("p_value", "McNemar's exact test of equal rates, two-sided"),
            _number("p_benjamini_hochberg", "the same, adjusted over the categories (false discovery rate)"),
            _number("p_holm", "the same, adjusted over the categories (any wrong alarm)"),
            _number(
                "rise_probability", "probability that the candidate's rate is at least 1.5x the predecessor's"
            ),
            field(
                "rose",
                pa.bool_(),
                "the candidate's rate is higher, at a false discovery rate of 10 % over the categories",
            ),
            _number(
                "design_effect", "variance of the difference relative to independent pairs of equal weight"
            ),
            field("method", pa.string(), "paired_score, or no_pairs"),
            field("level", pa.float64(), "confidence level of the interval"),
            field("users", pa.int64(), "users whose turns the pairs are", unit="users"),
            field("stack_hash", pa.string(), "measurement stack of the labels"),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
        ]
    ),
    ("model",),
)
