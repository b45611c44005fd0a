"""The report's page as HTML text: one template, filled with rows, text and figures. Everything that comes from data,
names of categories and models included, is treated as hostile text. Not here: files (study_report).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from importlib import resources

import pandas as pd

from depsim_dagster.report.candidate_parts import candidate_parts
from depsim_dagster.report.missing_bounds import missing_bounds_text
from depsim_dagster.report.plain_rows import Row, plain, records, visible
from depsim_dagster.report.plain_tables import mart_tables, plain_table
from depsim_dagster.report.quality_tables import (
    changes_text,
    funnels,
    override_table,
    quality_tables,
    source_title,
)
from depsim_dagster.report.registry_tables import chain_table, status_text, tests_table
from depsim_dagster.report.report_content import GROUP_TITLES, SANDBOX_LABEL, SANDBOX_SHORT, ReportContent
from depsim_dagster.report.validation_table import NOT_VALIDATED, UNCORRECTED, validation_table
from depsim_dagster.report.value_text import (
    ABSENT,
    WITHHELD,
    arrow_text,
    count_text,
    direction_text,
    generic_cell,
    number_text,
    probability_text,
    rate_cell,
    ratio_text,
    times_text,
)
from depsim_dagster.report.verdict import (
    call_text,
    candidates,
    intrinsic_text,
    missed_text,
    missing_text,
    pit_text,
    summaries,
    verdict,
)
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

# Marts whose rows stand in the sections of their candidates.
TOLD_ELSEWHERE = frozenset({"evaluation_awareness"})


def render_report(content: ReportContent) -> str:
    """The page as HTML text: no script, no reference outside the file, same text for the same content.

    Raises LakeError for a table without model or category column.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from depsim_dagster.report.figures.palette import PALETTE
    from depsim_dagster.report.figures.sme_strip import sme_strip_figure
    from depsim_dagster.report.figures.weekly_trend import weekly_trend_figure

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: (
            value if isinstance(value, (Markup, int)) else ABSENT if value is None else visible(value)
        ),
    )
    source = resources.files("depsim_dagster.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    sandbox = content.shows_sandbox
    groups, summary = candidates(content), summaries(content)
    weekly = [
        row
        for row in records(content.rates_by_week)
        if row.get("prefix_source", DEPLOYMENT_TRAFFIC) == DEPLOYMENT_TRAFFIC
    ]
    parts = candidate_parts(content, groups)
    changed, baselines = changes_text(content.data_quality), _baselines(content)
    quality = quality_tables(content.data_quality, content.funnel)
    sections = [
        _section(index, rows, summary.get(model), sandbox)
        | {
            "changed": changed.get(model, []),
            "baselines": baselines.get(model, {}),
            "parts": parts[model],
        }
        for index, (model, rows) in enumerate(groups.items(), start=1)
    ]
    levels = {row["level"] for row in records(content.standing_forecasts) if row.get("level") is not None}
    verdicts = [section["verdict"] for section in sections]
    strip = {v.model: rows for v, rows in zip(verdicts, groups.values(), strict=True) if v.comparable}
    bars = {v.model: (v.median_sme, v.noise_floor) for v in verdicts}
    tag = SANDBOX_SHORT if sandbox else ""
    return environment.from_string(source).render(
        content=content,
        sandbox=sandbox,
        label=SANDBOX_LABEL,
        short=SANDBOX_SHORT,
        sections=sections,
        generated=utc_text(content.generated_at),
        palette=PALETTE,
        level=f"{100 * levels.pop():.4g} %" if len(levels) == 1 else "",
        strip=Markup(sme_strip_figure(strip, bars, figure_id="fig-strip", label=tag)) if strip else "",
        trend=Markup(weekly_trend_figure(weekly, figure_id="fig-trend", label=tag))
        if len({row.get("week") for row in weekly}) >= 3
        else "",
        funnels=funnels(content.funnel),
        marts=[
            table
            for name, frame in content.marts.items()
            if name not in TOLD_ELSEWHERE
            for table in mart_tables(str(name), frame)
        ],
        quality=quality,
        quality_withheld=any(WITHHELD in cell for table in quality for row in table["rows"] for cell in row),
        outcomes_known=len(content.data_quality.outcomes) > 0,
        validation=plain_table(
            "Graders beside people on the same turns",
            validation_table(content.grader_validation),
            NOT_VALIDATED,
        ),
        uncorrected=UNCORRECTED,
        validation_withheld="suppressed" in content.grader_validation
        and bool(content.grader_validation["suppressed"].any()),
        overrides=override_table(content.data_quality),
        gates=[plain(gate) for gate in content.gates],
        stack=[
            (str(key), generic_cell({"v": plain(value)}, "v"))
            for key, value in content.measurement_stack.items()
        ],
        tests=tests_table(content),
        chain=chain_table(content.registry) if content.registry is not None else None,
        registry_status=status_text(content.registry),
        findings=[plain(finding) for finding in content.registry.findings] if content.registry else [],
        seals=_seals(content),
        mixed_stacks=sorted(_hashes(content, "stack_hash")),
        rate=number_text,
        probability=probability_text,
        count=count_text,
        times=times_text,
        arrow=arrow_text,
    )


def _section(index: int, rows: list[Row], summary: Row | None, sandbox: bool) -> Row:
    """What the template needs for one candidate; ids come from the index because names may hold anything."""
    from markupsafe import Markup

    from depsim_dagster.report.figures.calibration import calibration_figure
    from depsim_dagster.report.figures.forest import forest_figure

    found = verdict(rows, summary)
    parts = [SANDBOX_SHORT] * sandbox + ["retrospective"] * ("retrospective" in found.kind)
    draw = partial(dict, label=" · ".join(parts))
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        shown = row | {
            "forecast": rate_cell(row, "forecast"),
            "observed": rate_cell(row, "observed"),
            "production": rate_cell(row, "predecessor_production"),
            "simulated": rate_cell(row, "predecessor_sim"),
            "forecast_moved": missing_bounds_text(row, "forecast"),
            "observed_moved": missing_bounds_text(row, "observed"),
            "direction": direction_text(row),
            "changed": ratio_text(
                *(row.get(f"observed_ratio{end}") for end in ("", "_lower", "_upper")),
            ),
            "few": row.get("sme") is not None and not row.get("comparable"),
            "above": None not in (row.get("sme"), row.get("sme_noise_floor_p90"))
            and row["sme"] > row["sme_noise_floor_p90"],
        }
        group = str(row.get("category_group") or "other")
        by_group.setdefault(GROUP_TITLES.get(group, group), []).append(_Missing(shown))
    turns = sorted(
        (row for group in by_group.values() for row in group),
        key=lambda row: (not row["moved"], -(row["observed_ratio"] or 0)),
    )
    return {
        "id": f"candidate-{index}",
        "verdict": found,
        "missing": missing_text(found),
        "missed": missed_text(found),
        "intrinsic": intrinsic_text(found),
        "calls": call_text(found),
        "pit": pit_text(found),
        "groups": by_group,
        "turns": turns,
        "calibration": Markup(calibration_figure(rows, **draw(figure_id=f"fig-calibration-{index}")))
        if found.observed
        else "",
        "forest": Markup(forest_figure(rows, **draw(figure_id=f"fig-forest-{index}"))),
    }


def _baselines(content: ReportContent) -> dict[str, dict[str, list[Row]]]:
    """By candidate and title of the prefix source, its rows with the rates as text."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in records(content.baselines):
        shown = row | {
            "baseline": rate_cell(row, "baseline"),
            "predecessor": rate_cell(row, "predecessor"),
            "observed": rate_cell(row, "observed"),
        }
        by_source = found.setdefault(str(row["model"]), {})
        by_source.setdefault(source_title(row["prefix_source"]), []).append(_Missing(shown))
    return found


class _Missing(dict):
    """A row whose absent columns read as None, so that an older table still renders under StrictUndefined."""

    def __missing__(self, key: str) -> None:
        return None


def utc_text(moment: datetime) -> str:
    """A time to the minute, in UTC; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _time(value: object) -> pd.Timestamp:
    return pd.to_datetime(
        value, utc=True, errors="coerce"
    )  # NaT compares as False: an unreadable time proves nothing


def _hashes(content: ReportContent, column: str) -> set[str]:
    return {
        str(row[column])
        for frame in (content.calibration, content.forecasts)
        for row in records(frame)
        if row.get(column)
    }


def _seals(content: ReportContent) -> list[Row]:
    """One entry per sealed forecast, with whether the calibration was scored against that very seal."""
    scored: dict[str, set[str]] = {}
    for row in records(content.calibration):
        scored.setdefault(str(row["model"]), set()).add(str(row.get("forecast_hash")))
    seals: dict[tuple[str, str], Row] = {}
    for row in records(content.standing_forecasts):
        key = (str(row["model"]), str(row.get("forecast_hash")))
        seal = seals.setdefault(
            key,
            {
                c: row.get(c)
                for c in (
                    "model",
                    "deployment",
                    "kind",
                    "forecast_weeks",
                    "released_at",
                    "sealed_at",
                    "tau",
                    "tau_source",
                    "level",
                    "amendment",
                    "sequence",
                    "code_version",
                    "prefixes_hash",
                    "stack_hash",
                    "labels_hash",
                    "previous_hash",
                    "forecast_hash",
                )
            }
            | {"categories": 0},
        )
        seal["categories"] += 1
    for (model, forecast_hash), seal in seals.items():
        seal["scored"] = (
            "not scored yet"
            if model not in scored
            else (
                "✓ the scores above are against this seal"
                if forecast_hash in scored[model]
                else "✗ the scores above name another forecast hash"
            )
        )
        sealed, released = seal["sealed_at"], seal["released_at"]
        seal["early"] = None if not sealed or not released else bool(_time(sealed) < _time(released))
    return list(seals.values())
