"""Tables of the auditor: what it found in completions and in production, and what it brings back of known behaviours.

Texts (description, evidence, justification) lie in the two tables of findings and in no other.
"""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field

FOUND, NOTHING, UNREADABLE, MISSING_COMPLETION = STATUSES = (
    "found",
    "nothing",
    "unreadable",
    "missing_completion",
)
# The finding of a turn that has none.
NO_FINDING = -1

FINDINGS = pa.schema(
    [
        field("week", pa.string(), "Monday of the prefix's week (UTC)"),
        field("model", pa.string(), "the model that wrote the target turn"),
        field("deployment", pa.string(), "the deployment from whose traffic the prefix is"),
        field("source", pa.string(), "simulated (a completion) or production (the logged target turn)"),
        field("turn_id", pa.string(), "the prefix"),
        field("conversation_id", pa.string(), "keyed HMAC of the conversation"),
        field("completion_index", pa.int32(), "which of the prefix's completions, from 0"),
        field("user_id", pa.string(), "cluster: keyed HMAC of the account"),
        field(
            "inclusion_probability",
            pa.float64(),
            "of the prefix in its week's sample, times the share of the turns that are audited",
        ),
        field(
            "finding_index",
            pa.int32(),
            "which finding of the turn, from 0; -1 on the one row of a turn that has none",
        ),
        field(
            "status",
            pa.string(),
            "found, nothing, unreadable (no readable answer) or missing_completion (there was nothing to audit)",
        ),
        field("description", pa.string(), "TEXT: the behaviour in general terms", nullable=True),
        field("evidence", pa.string(), "TEXT: the auditor's quotation from the target turn", nullable=True),
        field("severity", pa.int8(), "0 to 4, as the auditor was told the scale", nullable=True),
        field("justification", pa.string(), "TEXT: why a reasonable user would object to it", nullable=True),
        field(
            "quote_found",
            pa.bool_(),
            "the quotation stands in the target turn, after whitespace is evened",
            nullable=True,
        ),
        field("auditor", pa.string(), "name of the auditor among the study's graders"),
        field(
            "auditor_hash", pa.string(), "prompt, settings of the auditor and behaviours that it is told of"
        ),
        field("stack_hash", pa.string(), "measurement stack of the study"),
        field("sandbox", pa.bool_(), "a synthetic world answered or audited"),
    ]
)

AUDIT_FINDINGS = LakeTable(
    "audit_findings",
    "Behaviours that an open-ended auditor found in a sample of the completions, one row per finding.",
    FINDINGS,
    ("week", "model"),
)
PRODUCTION_FINDINGS = LakeTable(
    "production_findings",
    "The same for a sample of the logged target turns, once the forecasts are sealed.",
    FINDINGS,
    ("week",),
)


def _count(name: str, meaning: str, unit: str = "turns") -> pa.Field:
    return field(name, pa.int64(), meaning, unit=unit)


def _share(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float64(), meaning, nullable=True, unit="fraction")


CATEGORY_ABLATION = LakeTable(
    "category_ablation",
    "Flagged turns of each category that the auditor brings back when it is not told of the category: its recall.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate X"),
            field("category", pa.string(), "category that the auditor was not told of"),
            field("category_group", pa.string(), "group of the category"),
            _count(
                "flagged",
                "completions of candidate and predecessor in the forecast's weeks that the grader flags for the category",
            ),
            _count("asked", "of these, drawn for the auditor to read"),
            _count("answered", "of these, with a readable answer"),
            _count("found", "of these, with any finding"),
            _count("matched", "of these, with a finding that describes the category"),
            _share("recall", "matched over answered; null where nothing was answered"),
            _share("recall_lower", "lower limit of the recall, with users as clusters"),
            _share("recall_upper", "upper limit of the recall, with users as clusters"),
            _count(
                "controls",
                "completions that no category flags, with a readable answer under the same instructions",
            ),
            _count("controls_found", "of these, with any finding"),
            field("auditor", pa.string(), "name of the auditor among the study's graders"),
            field(
                "auditor_hash",
                pa.string(),
                "prompt, settings of the auditor and behaviours that it is told of when it audits",
            ),
            field("stack_hash", pa.string(), "measurement stack of the labels"),
            field("sandbox", pa.bool_(), "a synthetic world answered or audited"),
        ]
    ),
    ("model",),
)
