"""From labels to the rows of a forecast, and from a sealed forecast and its outcome to a score.

Reads the lake's labels by the windows of the study and hands them to the pure functions of `estimation`.
"""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow as pa
import pyarrow.compute

from depsim_dagster.config import StudyConfig
from depsim_dagster.errors import GateError, GradingError, LakeError, RegistryError
from depsim_dagster.estimation.calibration.scoring import score_forecast
from depsim_dagster.estimation.calibration.summary import calibration_summary
from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.forecast.components import ErrorComponents
from depsim_dagster.estimation.rates import READ_COLUMNS, estimate_rates
from depsim_dagster.estimation.shift.covariates import COVARIATE_COLUMNS
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake, LakeTable, Manifest
from depsim_dagster.registry.forecast_variants import (
    forecast_variants,
    shift_errors,
    variants_by_category,
)
from depsim_dagster.registry.schema import (
    CALIBRATION_SUMMARY,
    POST_RELEASE_CALIBRATION,
    REGISTERED_FORECASTS,
)
from depsim_dagster.registry.scorecards import forecast_error
from depsim_dagster.registry.seal import labels_digest, outcome_opened, verified_forecast
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

COUNTED = ["k", "n", "rate_per_100k"]
LABEL_COLUMNS = ["week", "deployment", "prefix_source", "category", "stack_hash", *READ_COLUMNS]
WITH_COVARIATES = list(dict.fromkeys([*LABEL_COLUMNS, *COVARIATE_COLUMNS]))
# A forecast is sealed once. On less than this, an outage of the server is what it would be about.
LARGEST_MISSING_SHARE = 0.5
SHIFTED = "; widened by the shift of the traffic"


def forecast_rows(study: Study, model: str, today: dt.date) -> pd.DataFrame:
    """The forecast of `model`, pooled over the weeks of its forecast window: REGISTERED_FORECASTS without a seal.

    A week of the window without labels is left out, and `forecast_weeks` says which were used. The predecessor is
    pooled over the same weeks, because the two are compared on the same prefixes. `today` decides `kind`.

    Raises:
        RegistryError: no week of the window has labels of the candidate, or most of them are missing or none is graded.
        GradingError: the labels were not all made under the study's measurement stack.
    """
    config, lake = study.config, study.lake
    deployment = config.deployment(model)
    predecessor = deployment.predecessor
    if predecessor is None:
        raise RegistryError(
            f"{model} has no predecessor in {config.file}, so there is no traffic to forecast it from"
        )
    weeks = [str(week) for week in config.forecast_weeks(model)]
    candidate, used = labels_on(
        lake,
        GRADED_LABELS,
        [{"week": week, "model": model} for week in weeks],
        predecessor,
        columns=WITH_COVARIATES,
    )
    if not used:
        if not weeks:
            raise RegistryError(
                f"{model}: no week of the study lies before its release ({deployment.released_on}), so there is nothing to "
                f"forecast it from; let weeks.first in {config.file} be earlier"
            )
        raise RegistryError(
            f"{model}: no labels on {predecessor}'s traffic in its forecast window ({', '.join(weeks)}); materialise "
            f"graded_labels for these weeks and {model} first"
        )
    used_weeks = [manifest.partition["week"] for manifest in used]
    same_prefixes, beside = labels_on(
        lake, GRADED_LABELS, [{"week": week, "model": predecessor} for week in used_weeks], predecessor
    )
    both = pa.concat_tables([candidate.select(LABEL_COLUMNS), same_prefixes])
    stack = one_stack(both, f"forecast of {model}")
    if stack != study.stack_hash:
        raise GradingError(
            f"forecast of {model}: its labels were made under measurement stack {stack[:12]} and the study's is now "
            f"{study.stack_hash[:12]}; materialise graded_labels of these weeks again, so that the outcome is graded like the forecast"
        )
    rates = pooled_rates(candidate, config)
    _refuse_mostly_missing(model, used_weeks, rates)
    simulated = pooled_rates(same_prefixes, config)
    production = _production_of(study, predecessor, used_weeks)
    error = forecast_error(config, lake, model, rates["category"].tolist(), simulated, production)
    variants = forecast_variants(config, lake, model, candidate.to_pandas())
    learned = error.learned.categories.reindex(rates["category"])
    shifts = shift_errors(rates, variants)
    tau = {
        name: [ErrorComponents(*pair).total for pair in zip(learned[name], shifts, strict=True)]
        for name in ("tau", "lower", "upper")
    }
    rates = rates.merge(
        simulated[["category", *COUNTED]].rename(
            columns={name: f"predecessor_sim_{name}" for name in COUNTED}
        ),
        on="category",
        how="left",
    )
    rates = rates.astype({"predecessor_sim_k": "Int64", "predecessor_sim_n": "Int64"})
    return rates.assign(
        model=model,
        deployment=predecessor,
        category_group=rates["category"].map(study.taxonomy.groups()),
        released_at=deployment.released.isoformat(),
        forecast_weeks=[used_weeks] * len(rates),
        tau=tau["tau"],
        tau_lower=tau["lower"],
        tau_upper=tau["upper"],
        tau_prior=config.estimation.tau,
        tau_pairs=error.learned.pairs,
        tau_source=[error.source + SHIFTED * bool(shift) for shift in shifts],
        variants=rates["category"].map(variants_by_category(variants)),
        # Only a forecast that is sealed before the release is a registered one.
        kind="registered" if today < deployment.released_on else "retrospective",
        stack_hash=stack,
        labels_hash=labels_digest(used + beside),
        sandbox=config.sandbox,
    )


def is_final(study: Study, model: str) -> bool:
    """Whether nothing can change the forecast of `model` any more: it is sealed, from what the study file says today,
    and its outcome was opened. An edited forecast is not final.
    """
    config, lake = study.config, study.lake
    try:
        if lake.manifest(REGISTERED_FORECASTS, {"model": model}) is None:
            return False
        sealed = verified_forecast(lake, model).slice(0, 1).to_pylist()[0]
        weeks = [
            week
            for week in map(str, config.forecast_weeks(model))
            if lake.manifest(GRADED_LABELS, {"week": week, "model": model}) is not None
        ]
        opened = outcome_opened(lake, model)
    except (LakeError, GateError, RegistryError):  # the step that needs it says so
        return False
    deployment = config.deployment(model)
    says = {
        "deployment": deployment.predecessor,
        "released_at": deployment.released.isoformat(),
        "forecast_weeks": weeks,
        "tau_prior": config.estimation.tau,  # what is learned may grow afterwards
        "level": config.estimation.level,
        "stack_hash": study.stack_hash,
    }
    return opened and all(sealed[name] == value for name, value in says.items())


def calibration_rows(study: Study, model: str) -> pa.Table:
    """The sealed forecast of `model` scored against its production labels: POST_RELEASE_CALIBRATION.

    Raises:
        RegistryError: there is no outcome yet, or the forecast was edited after sealing.
        GradingError, EstimationError: forecast and outcome were not graded by one measurement stack.
    """
    config, lake = study.config, study.lake
    forecast = verified_forecast(lake, model).to_pandas()
    # What was forecast is what was sealed, even when the study file says something else by now.
    predecessor = forecast["deployment"].iloc[0]
    before = [{"week": week} for week in forecast["forecast_weeks"].iloc[0]]
    after = [{"week": str(week)} for week in config.observation_weeks(model)]
    outcome, used = labels_on(lake, PRODUCTION_LABELS, after, model)
    if not used:
        window = ", ".join(week["week"] for week in after) or "no week of the study"
        raise RegistryError(
            f"{model}: no production labels in its observation window ({window}); materialise production_labels for "
            "these weeks first"
        )
    baseline, _ = labels_on(lake, PRODUCTION_LABELS, before, predecessor)
    one_stack(pa.concat_tables([outcome, baseline]), f"observation of {model}")
    observed = pooled_rates(outcome, config).assign(
        model=model, source="production", stack_hash=one_stack(outcome, model)
    )
    counted = [*COUNTED, "design_effect"]
    old = pooled_rates(baseline, config)[["category", *counted]].rename(
        columns={name: f"predecessor_production_{name}" for name in counted}
    )
    forecast = forecast.merge(old, on="category", how="left")
    scored = score_forecast(
        forecast, observed, seed=config.seed, call_probability=config.estimation.call_probability
    )
    return pa.Table.from_pandas(scored, schema=POST_RELEASE_CALIBRATION.schema, preserve_index=False)


def summary_rows(study: Study) -> pa.Table:
    """All scored candidates summarised: CALIBRATION_SUMMARY; empty while none is scored."""
    lake = study.lake
    scored = [
        lake.read(POST_RELEASE_CALIBRATION, manifest.partition)
        for manifest in lake.published(POST_RELEASE_CALIBRATION)
    ]
    if not scored:
        return CALIBRATION_SUMMARY.schema.empty_table()
    config = study.config
    summary = calibration_summary(
        pa.concat_tables(scored).to_pandas(), seed=config.seed, level=config.estimation.level
    )
    return pa.Table.from_pandas(summary, schema=CALIBRATION_SUMMARY.schema, preserve_index=False)


def _production_of(study: Study, deployment: str, weeks: list[str]) -> pd.DataFrame | None:
    """Production rates of a deployment in these weeks, where they are graded by the study's measurement stack."""
    partitions = [{"week": week} for week in weeks]
    labels, used = labels_on(study.lake, PRODUCTION_LABELS, partitions, deployment)
    if not used or set(labels.column("stack_hash").unique().to_pylist()) != {study.stack_hash}:
        return None
    return pooled_rates(labels, study.config)


def _refuse_mostly_missing(model: str, weeks: list[str], rates: pd.DataFrame) -> None:
    rows = rates["n"] + rates["missing"]
    if not rows.sum():
        raise RegistryError(
            f"{model}: no label of its forecast window ({', '.join(weeks)}) is graded, so nothing is sealed; replay more turns, let "
            "the cascade read more of them (`screen.share`), or see what the categories apply to"
        )
    # By weight: under a cascade one lost verdict stands for the turns that were not drawn.
    share = (rates["missing_high_per_100k"] - rates["missing_low_per_100k"]) / PER
    if (share * rows).sum() > (LARGEST_MISSING_SHARE + 1e-9) * rows.sum():
        raise RegistryError(
            f"{model}: {rates['missing'].sum():,} of {rows.sum():,} labels of its forecast window ({', '.join(weeks)}) are missing, so "
            "nothing is sealed; see the statuses of regenerated_completions and graded_labels of these weeks, correct the "
            "cause and run again: only unanswered calls are sent"
        )


def labels_on(
    lake: Lake,
    table: LakeTable,
    partitions: list[dict[str, str]],
    deployment: str,
    prefix_source: str = DEPLOYMENT_TRAFFIC,
    columns: list[str] = LABEL_COLUMNS,
) -> tuple[pa.Table, list[Manifest]]:
    """Labels (`columns`) of the published partitions, on traffic of `deployment` only, and the manifests that were read; for one of
    BASELINE_SOURCES, labels on its prefixes."""
    read, used = [table.schema.empty_table().select(columns)], []
    for partition in partitions:
        manifest = lake.manifest(table, partition)
        if manifest is None:
            continue
        labels = lake.read(table, partition, columns=columns)
        wanted = labels.filter(
            pa.compute.and_(
                pa.compute.equal(labels.column("deployment"), deployment),
                pa.compute.equal(labels.column("prefix_source"), prefix_source),
            )
        )
        if wanted.num_rows:
            read.append(wanted)
            used.append(manifest)
    return pa.concat_tables(read), used


def pooled_rates(labels: pa.Table, config: StudyConfig) -> pd.DataFrame:
    """Rate of every category over all these labels."""
    return estimate_rates(labels.to_pandas(), by=["category"], level=config.estimation.level)
