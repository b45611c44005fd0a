"""What is said of one candidate beyond its rates and scores, in the order of the page. Absent tables are said to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from depsim_dagster.report.awareness_part import awareness_part
from depsim_dagster.report.comparison_part import comparison_part
from depsim_dagster.report.corrected_part import corrected_part
from depsim_dagster.report.decomposition_part import decomposition_part
from depsim_dagster.report.novel_part import Audit, novel_part
from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.report_content import ReportContent
from depsim_dagster.report.shift_part import shift_part
from depsim_dagster.report.variant_part import variant_part


def candidate_parts(content: ReportContent, groups: Mapping[str, Sequence[Row]]) -> dict[str, list[Part]]:
    """By candidate, its parts; `groups` are the rows that the page shows of each (verdict.candidates)."""
    (
        comparison, corrected, shift, variants, decomposition, forecasts, awareness, giveaways, behaviours, differences,
        ablation, after_release,
    ) = map(
        _by_model,
        (
            content.comparison,
            content.corrected,
            content.shift,
            content.variants,
            content.decomposition,
            content.standing_forecasts,
            content.awareness,
            content.giveaways,
            content.behaviours,
            content.differences,
            content.ablation,
            content.after_release,
        ),
    )  # fmt: skip
    decisions = {str(row["behaviour"]): row for row in records(content.decisions)}
    return {
        model: [
            comparison_part(comparison.get(model, [])),
            novel_part(
                Audit(
                    behaviours.get(model, []),
                    differences.get(model, []),
                    ablation.get(model, []),
                    after_release.get(model, []),
                    decisions,
                ),
                content.has_audit,
            ),
            awareness_part(awareness.get(model, []), giveaways.get(model, []), content.has_awareness),
            corrected_part(corrected.get(model, [])),
            shift_part(shift.get(model, [])),
            variant_part(rows, forecasts.get(model, []), variants.get(model, [])),
            decomposition_part(decomposition.get(model, [])),
        ]
        for model, rows in groups.items()
    }


def _by_model(frame: pd.DataFrame) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in records(frame):
        found.setdefault(str(row["model"]), []).append(row)
    return found
