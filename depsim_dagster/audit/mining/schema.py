"""The tables of differential mining: differences in plain words, and apart from them the phrases (text)."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field


def _count(name: str, meaning: str, unit: str) -> pa.Field:
    return field(name, pa.int64(), meaning, unit=unit)


def _number(name: str, meaning: str, unit: str = "") -> pa.Field:
    return field(name, pa.float64(), meaning, unit=unit)


BEHAVIOUR_DIFFERENCES = LakeTable(
    "behaviour_differences",
    "What the candidate does more or less often than its predecessor on the same prefixes, mined without a model or a label.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate X"),
            field("deployment", pa.string(), "the deployment Y that it replaces"),
            field(
                "rank",
                pa.int32(),
                "from 1: what is found before what is not, rises before drops, what stands by itself before what is a part "
                "of a stronger finding; then by adjusted p-value and difference",
            ),
            field(
                "feature", pa.string(), "id of the feature in its segment; the phrase's in `mined_phrases`"
            ),
            field("kind", pa.string(), "tool, tool_arguments, refusal, length, format or phrase"),
            field(
                "segment", pa.string(), "all prefixes, a prompt template by its number, or a topic of the log"
            ),
            field(
                "description",
                pa.string(),
                "the feature in words of a closed vocabulary; of a phrase its length only",
            ),
            _count(
                "n", "prefixes and completions that both models answered and neither was flagged on", "pairs"
            ),
            _count("candidate_k", "candidate's turns that show it", "turns"),
            _count("predecessor_k", "predecessor's turns that show it", "turns"),
            _count("candidate_users", "users to whom the candidate shows it", "users"),
            _count("predecessor_users", "users to whom the predecessor shows it", "users"),
            _count("conversations", "conversations in which either shows it", "conversations"),
            _number("candidate_share", "candidate_k over n", "share"),
            _number("predecessor_share", "predecessor_k over n", "share"),
            _number("difference", "candidate's share less the predecessor's", "share"),
            _number("difference_lower", "lower limit of the difference", "share"),
            _number("difference_upper", "upper limit of the difference", "share"),
            _number(
                "p_value", "Fisher's exact test, two-sided, deflated by the design effect of users who repeat"
            ),
            _number(
                "p_adjusted",
                "the same after Benjamini-Hochberg over all features that were tested; those of the same turns are one finding",
            ),
            field("discovered", pa.bool_(), "p_adjusted is within `audit.false_discovery`"),
            _count(
                "flagged_left_out",
                "pairs left out because the taxonomy flags a turn of either model",
                "pairs",
            ),
            field("stack_hash", pa.string(), "measurement stack of the labels by which turns were left out"),
            field("sandbox", pa.bool_(), "a synthetic world answered or graded"),
        ]
    ),
    ("model",),
)

MINED_PHRASES = LakeTable(
    "mined_phrases",
    "The phrases behind mined differences, each said to the minimum of users and conversations. Conversation text.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate X"),
            field("feature", pa.string(), "id in `behaviour_differences`"),
            field("phrase", pa.string(), "one to four words, in lower case, numbers as # (text)"),
        ]
    ),
    ("model",),
)
