"""The tables of the clusters room. No text of a finding is in them, and no behaviour below the minimum size."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.estimation.schema import PER_100K
from depsim_dagster.lake import LakeTable, field

_STRING, _COUNT, _FLAG = pa.string(), pa.int64(), pa.bool_()
_NONE_SHOWN = "null on the one row of an audit that shows none"


def _count(name: str, meaning: str, unit: str = "turns") -> pa.Field:
    return field(name, _COUNT, meaning, unit=unit)


def _number(name: str, meaning: str, unit: str = "") -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit=unit)


_WHO_MADE_IT = [
    field("auditor_hash", _STRING, "prompt and settings of the auditor"),
    field("stack_hash", _STRING, "measurement stack of the study"),
    field("sandbox", _FLAG, "a synthetic world answered or audited"),
]
_TERMS = field(
    "terms",
    pa.list_(_STRING),
    "ordinary words that the descriptions of at least the minimum of users share, the most specific first",
)
_SEVERITY = [
    _number("severity_median", "median of the turns' gravest findings", "0 to 4"),
    field("severity_max", pa.int8(), "of the gravest finding", nullable=True, unit="0 to 4"),
]

NOVEL_BEHAVIOURS = LakeTable(
    "novel_behaviours",
    "Behaviours that the auditor describes in many users' turns: of the candidate and its predecessor, on the same prefixes.",
    pa.schema(
        [
            field("model", _STRING, "the candidate X"),
            field("deployment", _STRING, "the deployment Y that it replaces"),
            field(
                "rank",
                pa.int32(),
                f"1 is the first to look at: novel, then by p-value and severity; {_NONE_SHOWN}",
                nullable=True,
            ),
            field(
                "behaviour",
                _STRING,
                f"id, kept as long as most of its findings are the same; {_NONE_SHOWN}",
                nullable=True,
            ),
            _TERMS,
            _count("findings", "turns of the candidate with such a finding; a turn counts once"),
            _count("conversations", "of these turns", "conversations"),
            _count("users", "of these turns", "users"),
            _count("predecessor_findings", "turns of the predecessor with such a finding"),
            _count("n", "turns of the candidate that the auditor gave a readable answer on"),
            _count("predecessor_n", "the same of the predecessor"),
            _number("candidate_per_100k", "rate of the candidate", PER_100K),
            _number("candidate_lower_per_100k", "lower limit", PER_100K),
            _number("candidate_upper_per_100k", "upper limit", PER_100K),
            _number("predecessor_per_100k", "rate of the predecessor", PER_100K),
            _number("ratio", "candidate over predecessor, over the turns that were audited of both", "ratio"),
            _number("ratio_lower", "lower limit of the ratio", "ratio"),
            _number("ratio_upper", "upper limit; infinite where the predecessor has none", "ratio"),
            _number("p_value", "exact test of equal rates, two-sided (McNemar, users as clusters)"),
            _number("p_adjusted", "the same, adjusted over the behaviours (Benjamini-Hochberg)"),
            field("novel", _FLAG, "the candidate's rate is higher, at the study's false-discovery rate"),
            *_SEVERITY,
            _count("audited", "turns of the candidate that the auditor was asked about"),
            _count("left_out_clusters", "groups of findings below the minimum size", "groups"),
            _count(
                "left_out_findings",
                "findings of the candidate that are in no behaviour shown",
                "findings",
            ),
            _number(
                "detectable_per_100k", "smallest rate of an unknown behaviour that would be found", PER_100K
            ),
            _number(
                "detectable_with_recall_per_100k",
                "the same for an auditor that overlooks as much as in the ablation; null without one",
                PER_100K,
            ),
            field("vectoriser", _STRING, "what put the descriptions into a space"),
            *_WHO_MADE_IT,
        ]
    ),
    ("model",),
)

NOVEL_BEHAVIOUR_MEMBERS = LakeTable(
    "novel_behaviour_members",
    "Which findings of audit_findings a behaviour consists of.",
    pa.schema(
        [
            field("model", _STRING, "the candidate X"),
            field("behaviour", _STRING, "id in novel_behaviours"),
            field("week", _STRING, "Monday of the prefix's week (UTC)"),
            field("author", _STRING, "who wrote the audited turn: the candidate or its predecessor"),
            field("turn_id", _STRING, "the prefix"),
            field("completion_index", pa.int32(), "which completion of it"),
            field("finding_index", pa.int32(), "which finding of the turn"),
            field("user_id", _STRING, "keyed HMAC of the account"),
            field("central", _FLAG, "the description nearest to the middle of the behaviour"),
            field("sandbox", _FLAG, "a synthetic world answered or audited"),
        ]
    ),
    ("model",),
)

POST_RELEASE_BEHAVIOURS = LakeTable(
    "post_release_behaviours",
    "Behaviours that the auditor describes in the candidate's production, and whether they were found before its release.",
    pa.schema(
        [
            field("model", _STRING, "the released candidate X"),
            field("behaviour", _STRING, f"id; {_NONE_SHOWN}", nullable=True),
            field(
                "found_before",
                _STRING,
                "the like behaviour in novel_behaviours, null where there is none",
                nullable=True,
            ),
            _TERMS,
            _count("findings", "production turns of the candidate with such a finding; a turn counts once"),
            _count("conversations", "of these turns", "conversations"),
            _count("users", "of these turns", "users"),
            _count("n", "production turns of the candidate that the auditor gave a readable answer on"),
            _number("rate_per_100k", "rate in its production", PER_100K),
            _number("lower_per_100k", "lower limit", PER_100K),
            _number("upper_per_100k", "upper limit", PER_100K),
            *_SEVERITY,
            _count("previous_findings", "production turns of the predecessor with such a finding"),
            _count("previous_n", "production turns of the predecessor with a readable answer"),
            field(
                "novel",
                _FLAG,
                "the rate is higher than in the predecessor's production, at the study's false-discovery rate",
            ),
            field("missed", _FLAG, "novel, and not found before the release"),
            _number(
                "detectable_per_100k", "smallest rate of an unknown behaviour that would be found", PER_100K
            ),
            *_WHO_MADE_IT,
        ]
    ),
    ("model",),
)
