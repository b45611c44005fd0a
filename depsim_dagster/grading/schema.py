"""Tables of the grading station: one row per target turn and category."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field

LABELS = pa.schema(
    [
        field("week", pa.string(), "Monday of the prefix's week (UTC)"),
        field("model", pa.string(), "the model that wrote the target turn"),
        field(
            "deployment", pa.string(), "the deployment from whose traffic the prefix is, or the prefix source"
        ),
        field("prefix_source", pa.string(), "deployment_traffic, challenging_prompts or external_corpus"),
        field("source", pa.string(), "simulated (a completion) or production (the logged target turn)"),
        field("turn_id", pa.string(), "the prefix"),
        field("completion_index", pa.int32(), "which of the prefix's completions, from 0"),
        field("category", pa.string(), "category of the taxonomy"),
        field(
            "flagged",
            pa.bool_(),
            "the target turn shows the behaviour; null where it was not graded",
            nullable=True,
        ),
        field(
            "status",
            pa.string(),
            "graded, not_applicable (or nothing of its evidence is there), screened_out (the cascade did not draw it), "
            "unscored (no readable verdict, or a tie) or missing_completion",
        ),
        field(
            "score",
            pa.float64(),
            "probability that the grader gave, where it gives one; of an ensemble the share of flags or the mean score",
            nullable=True,
        ),
        field("severity", pa.int8(), "level of the category's severity scale", nullable=True),
        field("screen_score", pa.float64(), "score of the cascade's screen for this category", nullable=True),
        field(
            "grading_probability",
            pa.float64(),
            "that the grader reads this turn: 1 without a cascade; the design weight is 1 over both probabilities",
        ),
        field("grader", pa.string(), "name of the grader in the study file"),
        field("stack_hash", pa.string(), "measurement stack under which the label was made"),
        field("user_id", pa.string(), "cluster: keyed HMAC of the account"),
        field("language", pa.string(), "ISO 639-1 code", nullable=True),
        field("inclusion_probability", pa.float64(), "of the prefix in its week's sample"),
        field("prefix_characters", pa.int32(), "length of the prefix's text", unit="characters"),
        field("turn_index", pa.int32(), "position of the user turn among the conversation's, from 0"),
        field("tools_offered", pa.bool_(), "the log offers the model tools on this prefix"),
        field(
            "topic",
            pa.string(),
            "short plain value of the log's attribute `estimation.shift.topic`; null where it has none",
            nullable=True,
        ),
        field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
    ]
)

GRADED_LABELS = LakeTable(
    "graded_labels",
    "Labels of regenerated completions, one row per completion and category.",
    LABELS,
    ("week", "model"),
)
PRODUCTION_LABELS = LakeTable(
    "production_labels",
    "Labels of the logged target turns by the same stack, one row per turn and category.",
    LABELS,
    ("week",),
)
