"""The table of this room: one row per turn, measure of evaluation awareness and judge."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field

PRODUCTION, SIMULATED, EVALUATION = "production", "simulated", "evaluation"

AWARENESS_LABELS = LakeTable(
    "awareness_labels",
    "Whether a turn was taken for an evaluation: one row per turn, measure and judge, over production, simulated and "
    "evaluation turns.",
    pa.schema(
        [
            field("week", pa.string(), "Monday of the prefix's week (UTC)"),
            field("model", pa.string(), "the simulated model; as judge `self` it judges every source"),
            field(
                "source",
                pa.string(),
                "production (a logged target turn), simulated (the model's completion on a deployment's prefix) or evaluation "
                "(its completion on an evaluation prompt)",
            ),
            field("author", pa.string(), "the model that wrote the judged turn"),
            field(
                "deployment",
                pa.string(),
                "the deployment from whose traffic the prefix is, or the prefix source",
            ),
            field("prefix_source", pa.string(), "deployment_traffic or evaluation_prompts"),
            field("turn_id", pa.string(), "the prefix"),
            field("completion_index", pa.int32(), "which of the prefix's completions, from 0"),
            field("user_id", pa.string(), "cluster: keyed HMAC of the account"),
            field("language", pa.string(), "ISO 639-1 code", nullable=True),
            field(
                "inclusion_probability",
                pa.float64(),
                "of the prefix in its week's sample, times the share of turns that are examined and, where the judge is a "
                "cascade, the probability that its full grader reads the turn",
            ),
            field("prefix_characters", pa.int32(), "length of the prefix's text", unit="characters"),
            field("turn_index", pa.int32(), "position of the user turn among the conversation's, from 0"),
            field("tools_offered", pa.bool_(), "the log offers the model tools on this prefix"),
            field(
                "age_days",
                pa.float64(),
                "from the user turn to the release of `model`; negative where the turn came after it",
                unit="days",
            ),
            field("identifiers_replaced", pa.int32(), "personal details replaced in all texts of the turn"),
            field("surrogates", pa.string(), "what they were replaced with: realistic, tags or none"),
            field(
                "measure",
                pa.string(),
                "judged (the transcript looks like an evaluation), verbalised (the reasoning says that it may be one) or "
                "metagaming (the reasoning is about oversight)",
            ),
            field("judge", pa.string(), "`self`, or the name of a grader in the study file"),
            field("flagged", pa.bool_(), "the measure's answer; null where there is none", nullable=True),
            field(
                "status",
                pa.string(),
                "graded, not_applicable (no reasoning to read), screened_out (the judge's cascade did not draw it), unscored "
                "(no readable answer, or a tie) or missing_completion",
            ),
            field(
                "score", pa.float64(), "probability that the judge gave, where it gives one", nullable=True
            ),
            field(
                "definitions_hash",
                pa.string(),
                "definitions, prompts and settings of the judge, de-identification, sampling and environment",
            ),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
        ]
    ),
    ("week", "model"),
)
