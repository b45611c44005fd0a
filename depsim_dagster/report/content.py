"""What the report shows, read from the lake and the marts. No text is read."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow.parquet as pq

from depsim_dagster.audit.adjudication.schema import BEHAVIOUR_DECISIONS
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS, POST_RELEASE_BEHAVIOURS
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES
from depsim_dagster.audit.schema import CATEGORY_ABLATION
from depsim_dagster.awareness.estimates.schema import AWARENESS_RATES, REPLAY_GIVEAWAYS
from depsim_dagster.config import StudyConfig
from depsim_dagster.config_sections import ConsentConfig
from depsim_dagster.errors import DepsimError
from depsim_dagster.estimation.comparison.schema import MODEL_COMPARISON
from depsim_dagster.estimation.grader_error.schema import CORRECTED_RATES
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.grading.review.schema import GRADER_VALIDATION
from depsim_dagster.lake import LakeTable
from depsim_dagster.marts.dbt_build import MARTS
from depsim_dagster.marts.lake_files import MARTS_DIRECTORY
from depsim_dagster.privacy.gates.aggregates import published_aggregate, suppressed_validation
from depsim_dagster.registry.schema import (
    BASELINE_CALIBRATION,
    CALIBRATION_SUMMARY,
    ERROR_DECOMPOSITION,
    POST_RELEASE_CALIBRATION,
    REGISTERED_FORECASTS,
    REGISTERED_TESTS,
    VARIANT_CALIBRATION,
)
from depsim_dagster.registry.verify import verify_study
from depsim_dagster.report.missing_bounds import with_missing_bounds
from depsim_dagster.report.quality_content import gate_marks, quality_content
from depsim_dagster.report.report_content import RegistryState, ReportContent
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import FURTHER_SOURCES
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL


def report_content(study: Study) -> ReportContent:
    """Everything published so far in this study's lake."""
    forecasts, calibration = _with_worst_cases(
        study, published_rows(study, REGISTERED_FORECASTS), published_rows(study, POST_RELEASE_CALIBRATION)
    )
    return ReportContent(
        study=study.config.name,
        generated_at=dt.datetime.now(dt.UTC),
        sandbox=study.config.sandbox,
        calibration=calibration,
        summary=published_rows(study, CALIBRATION_SUMMARY),
        forecasts=forecasts,
        baselines=published_rows(study, BASELINE_CALIBRATION),
        rates_by_week=_concatenated(
            _published_aggregate(study, RATE_ESTIMATES), _published_aggregate(study, OBSERVED_RATES)
        ),
        funnel=_published_aggregate(study, SAMPLING_FUNNEL).rename(columns={"position": "order"}),
        k_anonymity=study.config.privacy.k_anonymity,
        marts=mart_rows(study),
        measurement_stack=_stack_summary(study),
        data_quality=quality_content(study, forecasts),
        grader_validation=suppressed_validation(
            published_rows(study, GRADER_VALIDATION), study.config.privacy.k_anonymity
        ),
        comparison=_published_aggregate(study, MODEL_COMPARISON),
        corrected=_published_aggregate(study, CORRECTED_RATES),
        shift=_published_aggregate(study, TRAFFIC_SHIFT),
        variants=published_rows(study, VARIANT_CALIBRATION),
        decomposition=_published_aggregate(study, ERROR_DECOMPOSITION),
        tests=published_rows(study, REGISTERED_TESTS),
        **_examination(study),
        registry=registry_state(study),
        gates=_gates(study),
    )


def _examination(study: Study) -> dict[str, object]:
    """What is known of evaluation awareness and of novel behaviours; never a text of the audit."""
    tables = {
        "awareness": AWARENESS_RATES,
        "giveaways": REPLAY_GIVEAWAYS,
        "behaviours": NOVEL_BEHAVIOURS,
        "differences": BEHAVIOUR_DIFFERENCES,
        "ablation": CATEGORY_ABLATION,
        "after_release": POST_RELEASE_BEHAVIOURS,
    }
    found = {part: _published_aggregate(study, table) for part, table in tables.items()}
    decisions = published_rows(study, BEHAVIOUR_DECISIONS)
    if len(decisions):  # of what may be shown alone
        ids = {*found["behaviours"].get("behaviour", ()), *found["differences"].get("feature", ())}
        decisions = decisions[decisions["behaviour"].isin(ids)]
    return {
        **found,
        "decisions": decisions,
        "has_awareness": study.config.awareness is not None,
        "has_audit": study.config.audit is not None,
    }


def registry_state(study: Study) -> RegistryState:
    """The registry's entries and what verifying it finds; a store that cannot be verified is said to be."""
    try:
        found = verify_study(study)
    except DepsimError as error:
        return RegistryState(refused=str(error))
    entries = [
        {
            "sequence": entry.sequence,
            "kind": entry.kind,
            "model": entry.model,
            "amendment": entry.amendment,
            "week": entry.week,
            "stated": entry.statement.kind if entry.statement is not None else None,
            "at": entry.sealed_at,
            "hash": entry.hash,
            "previous_hash": entry.previous_hash,
        }
        for entry in found.entries
    ]
    findings = [
        {"severity": each.severity, "where": each.where, "problem": each.problem, "way_out": each.way_out}
        for each in found.findings
    ]
    return RegistryState(entries=pd.DataFrame(entries), findings=findings, intact=found.intact)


def _with_worst_cases(
    study: Study, forecasts: pd.DataFrame, calibration: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sealed forecasts and their outcomes with how far missing outcomes could move them."""
    simulated, observed = (published_rows(study, table) for table in (RATE_ESTIMATES, OBSERVED_RATES))
    if len(forecasts) and len(simulated):
        simulated = simulated.merge(forecasts[["model", "deployment"]].drop_duplicates())
    weeks = {row.model: set(row.forecast_weeks) for row in forecasts.itertuples()}
    forecasts = with_missing_bounds(forecasts, simulated, weeks, "rate_per_100k")
    known = {deployment.model for deployment in study.config.deployments}
    weeks = {
        model: set(map(str, study.config.observation_weeks(model)))
        for model in known.intersection(calibration["model"] if len(calibration) else ())
    }
    return forecasts, with_missing_bounds(calibration, observed, weeks, "observed_per_100k", "observed_")


def published_rows(study: Study, table: LakeTable) -> pd.DataFrame:
    """All published partitions of a table of numbers."""
    return _concatenated(
        *(study.lake.read(table, manifest.partition).to_pandas() for manifest in study.lake.published(table))
    )


def _published_aggregate(study: Study, table: LakeTable) -> pd.DataFrame:
    return published_aggregate(table.name, published_rows(study, table), study.config.privacy.k_anonymity)


def mart_rows(study: Study) -> dict[str, pd.DataFrame]:
    """The marts that are built, by name."""
    k = study.config.privacy.k_anonymity
    files = {mart: study.lake.root / MARTS_DIRECTORY / f"{mart}.parquet" for mart in MARTS}
    return {
        mart: published_aggregate(mart, pq.read_table(file).to_pandas(), k)
        for mart, file in files.items()
        if file.is_file()
    }


def _concatenated(*frames: pd.DataFrame) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _stack_summary(study: Study) -> dict[str, object]:
    config, stack = study.config, study.stack
    summary = {
        "hash": study.stack_hash,
        "taxonomy": f"{study.taxonomy.version} ({len(study.taxonomy.categories)} categories)",
        "graders": ", ".join(
            f"{name} ({grader.kind}{f', {grader.model}' if grader.model else ''})"
            for name, grader in sorted(config.grading.graders.items())
        ),
        "grader prompt": stack["grader_prompt"]["version"],
        **_privacy_summary(study),
        "sampling": _sampling_text(config),
        "environment": f"temperature {config.replay.temperature:g}, "
        f"{config.replay.completions_per_prefix} completion(s) a prefix",
        "windows": f"{config.windows.forecast_weeks} forecast week(s), "
        f"{config.windows.observation_weeks} observation week(s)",
    }
    for source in FURTHER_SOURCES:
        settings = getattr(config.traffic, source)
        if settings is not None:
            summary[source.replace("_", " ")] = (
                f"{settings.prompts_per_week or 'all'} prompts a week, format {settings.format}, consent: "
                f"{_consent_text(settings.consent)}"
            )
    return summary


def _privacy_summary(study: Study) -> dict[str, object]:
    settings, privacy = study.config.deidentification, study.config.privacy
    detectors = ", ".join(
        f"{detector.kind}{f' {detector.model}' if detector.model else ''}" for detector in settings.detectors
    )
    return {
        "de-identification": f"engine {settings.engine}{f' ({settings.reason})' if settings.reason else ''}, "
        f"version {study.stack['deidentification']['version']}",
        "surrogates": settings.surrogates
        + (f", tags for {settings.tags_share:.0%} of users" if settings.tags_share else ""),
        "further detectors": detectors or "none",
        "consent": _consent_text(study.config.traffic.consent),
        "planted details": f"{privacy.canaries_per_type} of each type in each week",
        "retention of text": f"{privacy.retention_days} days" if privacy.retention_days else "not limited",
    }


def _consent_text(consent: ConsentConfig) -> str:
    if consent.public_corpus is not None:
        return f"public corpus: {consent.public_corpus}"
    grants = (
        f"; grants recorded later count: {consent.retroactive_grants}" if consent.retroactive_grants else ""
    )
    return f"ledger, scope {consent.scope}{grants}"


def _sampling_text(config: StudyConfig) -> str:
    sampling = config.sampling
    parts = [f"{sampling.turns_per_week or 'all eligible'} turns a week"]
    if sampling.one_turn_per_conversation:
        parts.append("one turn a conversation")
    if sampling.turns_per_user is not None:
        parts.append(f"at most {sampling.turns_per_user} of one user")
    if sampling.strata is not None:
        parts.append(f"strata by {', '.join(sampling.strata.by)}, at least {sampling.strata.minimum} of each")
    parts.append(
        f"near copies: {sampling.duplicates.near} from similarity {sampling.duplicates.similarity:g}"
    )
    return "; ".join(parts)


def _gates(study: Study) -> list[dict[str, object]]:
    """One row per week and suite. A sampled week whose prefixes were never published was refused by a gate, or is not
    through them yet: it has no mark, and is shown as not passed. So is one that readers would refuse today, with the
    reason.
    """
    passed = dict(gate_marks(study))
    purged = {
        each.partition["week"]: each.purged_at[:10] for each in study.lake.all_purged(DEIDENTIFIED_PREFIXES)
    }
    objections = {
        manifest.partition["week"]: study.lake.objection(DEIDENTIFIED_PREFIXES, manifest)
        for manifest in study.lake.published(DEIDENTIFIED_PREFIXES)
    }
    sampled = {manifest.partition["week"] for manifest in study.lake.published(SAMPLED_TRAFFIC)}
    rows: list[dict[str, object]] = []
    for week in sorted(sampled | set(passed)):
        notes = [f"text purged on {purged[week]}"] if week in purged else []
        objection = objections.get(week)
        notes += [f"refused now: {objection}"] if objection is not None else []
        rows += [
            {
                "week": week,
                "suite": mark.suite,
                "success": objection is None,
                "suite_version": mark.suite_version,
                "note": "; ".join([f"{len(mark.waivers)} overridden"] * bool(mark.waivers) + notes),
            }
            for mark in passed.get(week, ())
        ]
        if week not in passed:
            suites = ", ".join(DEIDENTIFIED_PREFIXES.gates)
            rows.append({"week": week, "suite": suites, "success": False, "suite_version": "", "note": ""})
    return rows
