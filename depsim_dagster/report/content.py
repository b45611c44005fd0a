"""What the report shows, read from the lake and the marts. No text table is opened."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow.parquet as pq

from depsim_dagster.duckdb_sql import connect, read_parquet
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import LakeTable
from depsim_dagster.marts.dbt_build import MARTS
from depsim_dagster.marts.lake_files import MARTS_DIRECTORY
from depsim_dagster.registry.schema import CALIBRATION_SUMMARY, POST_RELEASE_CALIBRATION, REGISTERED_FORECASTS
from depsim_dagster.report.report_content import ReportContent
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL


def report_content(study: Study) -> ReportContent:
    """Everything published so far in this study's lake."""
    return ReportContent(
        study=study.config.name,
        generated_at=dt.datetime.now(dt.UTC),
        sandbox=study.config.sandbox,
        calibration=published_rows(study, POST_RELEASE_CALIBRATION),
        summary=published_rows(study, CALIBRATION_SUMMARY),
        forecasts=published_rows(study, REGISTERED_FORECASTS),
        rates_by_week=_concatenated(
            published_rows(study, RATE_ESTIMATES), published_rows(study, OBSERVED_RATES)
        ),
        funnel=published_rows(study, SAMPLING_FUNNEL).rename(columns={"position": "order"}),
        marts=mart_rows(study),
        measurement_stack=_stack_summary(study),
        data_quality=_label_statuses(study),
        gates=_gates(study),
    )


def published_rows(study: Study, table: LakeTable) -> pd.DataFrame:
    """All published partitions of a table of numbers."""
    return _concatenated(
        *(study.lake.read(table, manifest.partition).to_pandas() for manifest in study.lake.published(table))
    )


def mart_rows(study: Study) -> dict[str, pd.DataFrame]:
    """The marts that are built, by name."""
    files = {mart: study.lake.root / MARTS_DIRECTORY / f"{mart}.parquet" for mart in MARTS}
    return {mart: pq.read_table(file).to_pandas() for mart, file in files.items() if file.is_file()}


def _concatenated(*frames: pd.DataFrame) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _label_statuses(study: Study) -> pd.DataFrame:
    files = [file for table in (GRADED_LABELS, PRODUCTION_LABELS) for file in study.lake.files(table)]
    if not files:
        return pd.DataFrame()
    # In DuckDB: label tables grow with turns × categories.
    query = f"select source, model, status, count(*) as labels from {read_parquet(files)} group by all order by all"
    return connect().execute(query).df()


def _stack_summary(study: Study) -> dict[str, object]:
    config, stack = study.config, study.stack
    return {
        "hash": study.stack_hash,
        "taxonomy": f"{study.taxonomy.version} ({len(study.taxonomy.categories)} categories)",
        "graders": ", ".join(
            f"{name} ({grader.kind}{f', {grader.model}' if grader.model else ''})"
            for name, grader in sorted(config.grading.graders.items())
        ),
        "grader prompt": stack["grader_prompt"]["version"],
        "de-identification": config.deidentification.engine
        + (f" ({config.deidentification.reason})" if config.deidentification.reason else ""),
        "consent": config.traffic.consent.public_corpus or f"ledger, scope {config.traffic.consent.scope}",
        "sampling": f"{config.sampling.turns_per_week or 'all eligible'} turns a week",
        "environment": f"temperature {config.replay.temperature:g}, "
        f"{config.replay.completions_per_prefix} completion(s) a prefix",
        "windows": f"{config.windows.forecast_weeks} forecast week(s), "
        f"{config.windows.observation_weeks} observation week(s)",
    }


def _gates(study: Study) -> list[dict[str, object]]:
    """One row per week and suite. A sampled week whose prefixes were never published was refused by a gate, or is not
    through them yet: it has no mark, and is shown as not passed.
    """
    passed = {
        manifest.partition["week"]: manifest.marks for manifest in study.lake.published(DEIDENTIFIED_PREFIXES)
    }
    sampled = {manifest.partition["week"] for manifest in study.lake.published(SAMPLED_TRAFFIC)}
    rows: list[dict[str, object]] = []
    for week in sorted(sampled | set(passed)):
        rows += [
            {"week": week, "suite": mark.suite, "success": True, "suite_version": mark.suite_version}
            for mark in passed.get(week, ())
        ]
        if week not in passed:
            suites = ", ".join(DEIDENTIFIED_PREFIXES.gates)
            rows.append({"week": week, "suite": suites, "success": False, "suite_version": ""})
    return rows
