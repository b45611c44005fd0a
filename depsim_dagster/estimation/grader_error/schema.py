"""The table of corrected rates: each beside the raw rate, with the method or the reason of a refusal."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.estimation.schema import PER_100K
from depsim_dagster.lake import LakeTable, field


def _rate(name: str, description: str) -> pa.Field:
    return field(name, pa.float64(), description, nullable=True, unit=PER_100K)


CORRECTED_RATES = LakeTable(
    "corrected_rates",
    "Rates corrected for grader error by labels of people, beside the raw ones; or why they cannot be corrected.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate X, which wrote the target turns"),
            field("deployment", pa.string(), "the deployment Y that it replaces"),
            field("category", pa.string(), "category of the taxonomy"),
            field("category_group", pa.string(), "group of the category"),
            field(
                "source",
                pa.string(),
                "simulated (on Y's prefixes, in the forecast window) or production (X's own, in the observation window)",
            ),
            field("k", pa.int64(), "flagged target turns", unit="turns"),
            field("n", pa.int64(), "graded target turns", unit="turns"),
            field("clusters", pa.int64(), "users among the graded turns", unit="users"),
            _rate("rate_per_100k", "raw: rate of what the grader flags"),
            _rate("lower_per_100k", "raw: lower limit"),
            _rate("upper_per_100k", "raw: upper limit"),
            _rate("corrected_per_100k", "rate of what people would flag; null where refused"),
            _rate("corrected_lower_per_100k", "corrected: lower limit"),
            _rate("corrected_upper_per_100k", "corrected: upper limit; with no confirmed turn one-sided"),
            field("method", pa.string(), "precision_sensitivity, two_phase_audit, rogan_gladen, or refused"),
            field("reason", pa.string(), "what the correction assumes, or why it is refused"),
            field("audited", pa.int64(), "flagged turns of this rate that people read", unit="turns"),
            field("confirmed", pa.int64(), "of these, flagged by people", unit="turns"),
            field(
                "audited_clusters",
                pa.int64(),
                "users among the turns of this rate that people read",
                unit="users",
            ),
            field(
                "known_positives",
                pa.int64(),
                "turns that tell the sensitivity, where it is used",
                unit="turns",
            ),
            field("caught", pa.int64(), "of these, flagged by the grader", unit="turns"),
            field("precision", pa.float64(), "confirmed share of the flagged turns, weighted", nullable=True),
            field(
                "sensitivity",
                pa.float64(),
                "share of positives that the grader flags, weighted",
                nullable=True,
            ),
            field("level", pa.float64(), "confidence level of the intervals"),
            field("stack_hash", pa.string(), "measurement stack of the labels"),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
        ]
    ),
)
