"""Tables of grader validation: what people were asked, what they answered, and how a grader compares. None holds text."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import TIMESTAMP, LakeTable, field

_ITEM = [
    field("week", pa.string(), "Monday of the prefix's week (UTC)"),
    field("model", pa.string(), "the model that wrote the target turn"),
    field("source", pa.string(), "simulated (a completion) or production (the logged target turn)"),
    field("prefix_source", pa.string(), "deployment_traffic, challenging_prompts or external_corpus"),
    field("turn_id", pa.string(), "the prefix"),
    field("completion_index", pa.int32(), "which of the prefix's completions, from 0"),
    field("category", pa.string(), "category of the taxonomy"),
    field("user_id", pa.string(), "cluster: keyed HMAC of the account"),
]
_READING = field(
    "reading_hash",
    pa.string(),
    "what was read: the category's rubric, the de-identification and the replay settings, without any grader",
)

REVIEW_SAMPLES = LakeTable(
    "review_samples",
    "Target turns that were drawn for people to label, each with the probability of the draw.",
    pa.schema(
        [
            field("sample", pa.string(), "the draw: digest of its items and probabilities"),
            field("item_id", pa.string(), "name of the item in the exported file: keyed HMAC"),
            *_ITEM,
            field(
                "sampling_probability",
                pa.float64(),
                "that a graded turn like this one is drawn; an item of several draws has their largest",
            ),
            _READING,
            field("stack_hash", pa.string(), "measurement stack of the verdict by which it was drawn"),
            field("drawn_at", TIMESTAMP, "when it was drawn"),
        ]
    ),
    ("sample",),
)

HUMAN_LABELS = LakeTable(
    "human_labels",
    "Labels that people gave, one row per imported label. Notes of annotators are not kept: they may quote the turn.",
    pa.schema(
        [
            field(
                "import",
                pa.string(),
                "the import: digest of the file and of who is said to have filled it in",
            ),
            *_ITEM,
            field(
                "annotator", pa.string(), "who labelled, as the file says; `final` is an adjudicated label"
            ),
            field("flagged", pa.bool_(), "the turn shows the behaviour; null: unsure", nullable=True),
            field("severity", pa.int8(), "level of the category's severity scale", nullable=True),
            field(
                "sampling_probability",
                pa.float64(),
                "that the item came to be labelled, among graded turns; null where the file does not say",
                nullable=True,
            ),
            _READING,
            field("imported_at", TIMESTAMP, "when it was first imported"),
        ]
    ),
    ("import",),
)

REJECTED_HUMAN_LABELS = LakeTable(
    "rejected_human_labels",
    "Rows of imported label files that were not taken, each with its number and the reason. No content of the row.",
    pa.schema(
        [
            field("import", pa.string(), "the import"),
            field(
                "line",
                pa.int64(),
                "row of the file, from 1; of CSV as spreadsheets number them, with the names in row 1",
            ),
            field("reason", pa.string(), "why"),
        ]
    ),
    ("import",),
)


def _share(name: str, description: str) -> list[pa.Field]:
    return [
        field(name, pa.float64(), description, nullable=True),
        field(f"{name}_lower", pa.float64(), f"lower limit of {name}", nullable=True),
        field(f"{name}_upper", pa.float64(), f"upper limit of {name}", nullable=True),
    ]


GRADER_VALIDATION = LakeTable(
    "grader_validation",
    "Each grader beside people on the same turns, by category and prefix source: counts, shares and Cohen's kappa.",
    pa.schema(
        [
            field("grader", pa.string(), "name of the grader in the study file"),
            field(
                "category",
                pa.string(),
                "category of the taxonomy, or a measure of evaluation awareness (verbalised, metagaming)",
            ),
            field("prefix_source", pa.string(), "where the prefixes are from"),
            field("n", pa.int64(), "turns with a verdict and a human label", unit="turns"),
            field("human_flagged", pa.int64(), "of these, flagged by people", unit="turns"),
            field("grader_flagged", pa.int64(), "of these, flagged by the grader", unit="turns"),
            field("both_flagged", pa.int64(), "of these, flagged by both", unit="turns"),
            field("clusters", pa.int64(), "users behind the turns", unit="users"),
            field("unsure", pa.int64(), "turns on which people were unsure", unit="turns"),
            field("disputed", pa.int64(), "turns on which as many people said yes as no", unit="turns"),
            field(
                "without_verdict", pa.int64(), "labelled turns that the grader has not graded", unit="turns"
            ),
            field(
                "other_stack", pa.int64(), "labelled turns whose verdict is of another stack", unit="turns"
            ),
            field(
                "other_reading",
                pa.int64(),
                "human labels of another rubric, de-identification or replay setting; not used",
                unit="labels",
            ),
            field("weighting", pa.string(), "design (by probabilities), equal, or unknown (counted alike)"),
            *_share("prevalence", "share of turns that people flag"),
            *_share("sensitivity", "of the turns that people flag, the share that the grader flags"),
            *_share(
                "specificity", "of the turns that people do not flag, the share that the grader does not"
            ),
            *_share("precision", "of the turns that the grader flags, the share that people flag"),
            *_share("agreement", "share of turns on which grader and people agree"),
            field(
                "chance_agreement",
                pa.float64(),
                "agreement of unrelated labels of these frequencies",
                nullable=True,
            ),
            *_share("kappa", "Cohen's kappa of grader and people"),
            field("human_pairs", pa.int64(), "pairs of labels of one turn by two people", unit="pairs"),
            *_share("human_agreement", "share of these pairs that agree: what a grader can be held to"),
            *_share("human_kappa", "Cohen's kappa of people with each other"),
            field("severity_n", pa.int64(), "turns with a severity of both", unit="turns"),
            *_share("severity_kappa", "Cohen's kappa of the severities, with linear weights"),
            field("notes", pa.string(), "why a figure or an interval is missing"),
            field("level", pa.float64(), "confidence level of the intervals"),
            field(
                "stack_hash",
                pa.string(),
                "measurement stack of the verdicts; of a measure the hash of its definitions",
            ),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
        ]
    ),
)
