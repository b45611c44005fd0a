"""The table of the adjudication room."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import TIMESTAMP, LakeTable, field

BEHAVIOUR_DECISIONS = LakeTable(
    "behaviour_decisions",
    "What people decided of the behaviours that the audit found: the decision that holds for each.",
    pa.schema(
        [
            field("behaviour", pa.string(), "id of the behaviour or difference"),
            field("decision", pa.string(), "accepted, rejected or merged"),
            field("into", pa.string(), "the behaviour or category that it was merged into", nullable=True),
            field("category", pa.string(), "the (draft) category that it became", nullable=True),
            field("decided_at", TIMESTAMP, "when it was decided (UTC)"),
            field("sandbox", pa.bool_(), "synthetic world"),
        ]
    ),
)
