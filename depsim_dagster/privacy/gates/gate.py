"""The gates between traffic and replay: Great Expectations suites over a frame that holds no text.

A suite sees the quarantined partition's numbers, flags and pseudonyms, never a conversation, so nothing it reports can
leak one. Its mark is signed and bound to table, partition, content, suite and de-identification; the lake refuses to
publish, and later to read, a partition without it. Text is read here in one place, to count the week's own account ids in
it, and only the counts go on.

`consent` and `privacy` look at one row per turn, `canaries` at one row of recalls by type.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from depsim_dagster import __version__
from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.config_sections import GateOverride
from depsim_dagster.errors import GateError
from depsim_dagster.lake import GateMark, Lake, Manifest, Partition, Quarantined, partition_label
from depsim_dagster.privacy.gates.account_identifiers import (
    ACCOUNT_COLUMNS,
    TEXT_COLUMNS,
    count_account_identifiers,
    week_accounts,
)
from depsim_dagster.privacy.gates.canaries import Counts, recall_limits
from depsim_dagster.privacy.gates.consent import consent_holds
from depsim_dagster.privacy.gates.overrides import idle_overrides, waiver
from depsim_dagster.privacy.gates.suites import read_suite, suite_file
from depsim_dagster.traffic.consent_ledger import as_of
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL

CANARIES = "canaries"
_CONSENT_COLUMNS = ("user_id", "sent_at", "consent_decided_at", "prefix_source")
TEXT_ROWS = 1_000
GATED_COLUMNS = (
    "turn_id",
    "conversation_id",
    "user_id",
    "sent_at",
    "account_class",
    "surface",
    "temporary",
    "has_attachment",
    "has_image",
    "prefix_source",
    "consent_granted",
    "consent_policy_version",
    "consent_decided_at",
    "identifiers_replaced",
    "residual_identifiers",
    "prefix_characters",
)


@dataclass(frozen=True)
class Finding:
    """One expectation of a suite: what it asks, whether it holds, how many rows break it."""

    expectation: str
    column: str
    success: bool
    unexpected_rows: int | None


@dataclass(frozen=True)
class GateReport:
    """The outcome of one suite on one quarantined partition; `measures` go into its mark."""

    suite: str
    suite_version: str
    findings: tuple[Finding, ...]
    measures: Counts = field(default_factory=dict)

    @property
    def success(self) -> bool:
        return bool(self.findings) and all(finding.success for finding in self.findings)


@dataclass(frozen=True)
class Publication:
    """A partition that came through its gates. `idle` are overrides of its week for which nothing failed."""

    manifest: Manifest
    reports: tuple[GateReport, ...]
    idle: tuple[GateOverride, ...]


class GatesFailed(GateError):
    """A partition did not come through its gates; `reports` say what failed."""

    def __init__(self, message: str, reports: Sequence[GateReport]):
        super().__init__(message)
        self.reports = tuple(reports)


def gate_and_publish(
    study: StudyConfig, lake: Lake, quarantined: Quarantined, canaries: Counts
) -> Publication:
    """Put a quarantined partition of deidentified_prefixes through every gate, and publish it when they pass.

    `canaries` is what was planted and found when these rows were de-identified; of rows that were published before, it
    is `recorded_canaries` of their manifest: the same texts went through the same call.

    Raises:
        GatesFailed: an expectation failed that no override of the study lets pass. The rows stay in quarantine, and an
            older publication of the partition is taken out: a week that fails is not replayed from what it was before.
        GateError: a suite cannot be run.
        ConfigurationError: the study's key is not set.
    """
    week = quarantined.partition["week"]
    reports = run_gates(quarantined, gated_frame(quarantined, lake, study), canaries)
    try:
        manifest = publish_through_gates(lake, quarantined, reports, study.privacy.overrides)
    except GatesFailed:
        # What was published before came through yesterday's gates; readers must not go on with it as if it were this.
        lake.remove(quarantined.table, quarantined.partition)
        quarantined.hold.close()  # nobody works on it any more: the next attempt may clear it away
        raise
    idle = idle_overrides(_failed(reports), week, study.privacy.overrides)
    return Publication(manifest, tuple(reports), tuple(idle))


def recorded_canaries(lake: Lake, manifest: Manifest) -> Counts:
    """Type → (planted, found) when a partition was published, for rows of it that are published anew.

    Raises:
        GateError: readers would refuse the publication; signing what is left of it would make it acceptable.
    """
    label = partition_label(manifest.table, manifest.partition)
    objection = lake.objection(DEIDENTIFIED_PREFIXES, manifest)
    if objection is not None:
        raise GateError(f"{label}: {objection}; materialise it again")
    for mark in manifest.marks:
        if mark.suite == CANARIES:
            return {type_: (planted, found) for type_, (planted, found) in mark.measures.items()}
    raise GateError(f"{label}: it has no mark of the `{CANARIES}` gate; materialise it again")


def gated_frame(quarantined: Quarantined, lake: Lake, study: StudyConfig) -> pd.DataFrame:
    """What the suites see of the turns: the partition without its text, with everything that can be known otherwise
    found out apart from the code that made it: classes, consent, the sample, the funnel, account ids in the text.
    """
    partition = quarantined.partition
    frame = quarantined.read(columns=list(GATED_COLUMNS)).to_pandas()
    sampled = lake.read(SAMPLED_TRAFFIC, partition, columns=["turn_id", "conversation_id"]).to_pandas()
    start = pd.Timestamp(partition["week"], tz="UTC")
    pairs = pd.MultiIndex.from_frame(sampled[["turn_id", "conversation_id"]])
    return frame.assign(
        excluded_class=_excluded_classes(frame, study),
        consent_holds=_consent_of(frame, study),
        decided_before_now=frame["consent_decided_at"] <= pd.Timestamp.now("UTC"),
        in_week=(frame["sent_at"] >= start) & (frame["sent_at"] < start + pd.Timedelta(WEEK)),
        sampled=pd.MultiIndex.from_frame(frame[["turn_id", "conversation_id"]]).isin(pairs),
        complete=len(frame) == len(sampled),
        funnel_adds_up=_funnel_adds_up(lake, partition, frame),
        account_identifiers_found=_account_identifiers(quarantined, lake, study),
    ).drop(columns=["sent_at"])


def _consent_of(frame: pd.DataFrame, study: StudyConfig) -> list[bool]:
    """Whether consent holds now for each of these turns."""
    # A baseline has no time of its own: consent is asked for the time since when its decision stands.
    own_time = frame["prefix_source"] == DEPLOYMENT_TRAFFIC
    sent = frame["sent_at"].where(own_time, frame["consent_decided_at"])
    turns = zip(frame["user_id"], sent, strict=True)
    return consent_holds(study, turns, as_of(study), frame["prefix_source"])


def _excluded_classes(frame: pd.DataFrame, study: StudyConfig) -> pd.Series:
    exclude = study.sampling.exclude
    unknown_class = ~frame["account_class"].isin(["consumer", "employee", "enterprise"])
    classes = pd.Series("none", index=frame.index)
    for on, name, condition in (
        (exclude.attachments, "attachment", frame["has_attachment"]),
        (exclude.images, "image", frame["has_image"]),
        (exclude.api, "api", frame["surface"] != "chat"),
        (exclude.enterprise or exclude.employees, "unknown_account_class", unknown_class),
        (exclude.enterprise, "enterprise", frame["account_class"] == "enterprise"),
        (exclude.employees, "employee", frame["account_class"] == "employee"),
        (exclude.temporary_chats, "temporary_chat", frame["temporary"]),
    ):
        if on:
            classes = classes.mask(condition.astype(bool), name)
    return classes


def _funnel_adds_up(lake: Lake, partition: Partition, frame: pd.DataFrame) -> bool:
    """Whether what the funnel calls sampled, by prefix source, are the rows that are to be published."""
    funnel = lake.read(SAMPLING_FUNNEL, partition).to_pandas()
    counted = funnel[funnel["rule"] == "sampled"].groupby("prefix_source")["turns"].sum()
    rows = frame["prefix_source"].value_counts()
    drawn = counted.reindex(counted.index.union(rows.index), fill_value=0)
    return bool((drawn == rows.reindex(drawn.index, fill_value=0)).all())


def _account_identifiers(quarantined: Quarantined, lake: Lake, study: StudyConfig) -> list[int]:
    """Per row, how many ids of the week's own accounts and conversations stand in its text."""
    accounts = week_accounts(lake.scan(SAMPLED_TRAFFIC, quarantined.partition, columns=list(ACCOUNT_COLUMNS)))
    with pq.ParquetFile(quarantined.file) as parquet:
        batches = parquet.iter_batches(batch_size=TEXT_ROWS, columns=["turn_id", *TEXT_COLUMNS])
        return list(count_account_identifiers(batches, study.hmac_keys, accounts))


def run_gate(suite: str, frame: pd.DataFrame) -> GateReport:
    """Run one suite of expectations/ on a frame.

    Only an allow-list of fields is copied out of Great Expectations' result: the rest can quote values.
    """
    context, gx = _context()
    definition, version = read_suite(suite)
    try:
        batch = _batch(context).get_batch(batch_parameters={"dataframe": frame})
        result = batch.validate(gx.ExpectationSuite(**definition), result_format="BASIC")
    except (
        Exception
    ) as error:  # an expectation that Great Expectations does not know, or not with these arguments
        raise GateError(
            f"{suite_file(suite)}: Great Expectations cannot run this suite ({type(error).__name__}); restore the file"
        ) from None
    findings = tuple(
        Finding(
            expectation=outcome.expectation_config.type,
            column=str(outcome.expectation_config.kwargs.get("column", "")),
            success=bool(outcome.success),
            unexpected_rows=_count(outcome.result),
        )
        for outcome in result.results
    )
    if len(findings) != len(definition["expectations"]):
        raise GateError(
            f"{suite_file(suite)}: {len(definition['expectations'])} expectations, {len(findings)} results; restore the file"
        )
    return GateReport(suite, version, findings)


def require_consent(study: StudyConfig, lake: Lake, week: str) -> None:
    """Refuse published prefixes of people who have withdrawn since: they agreed to no further replay or grading.

    Raises:
        GateError: consent of a turn no longer holds, or the partition lacks a valid mark.
        LakeError, TrafficError: the partition or a ledger cannot be read.
    """
    frame = lake.read(DEIDENTIFIED_PREFIXES, {"week": week}, columns=list(_CONSENT_COLUMNS)).to_pandas()
    withdrawn = len(frame) - sum(_consent_of(frame, study))
    if withdrawn:
        raise GateError(
            f"{partition_label(DEIDENTIFIED_PREFIXES.name, {'week': week})}: consent for {withdrawn} turn(s) no longer holds; "
            f"materialise `{SAMPLED_TRAFFIC.name}` and `{DEIDENTIFIED_PREFIXES.name}` for this week again (the sensor "
            "`honour_revocations` also removes what was kept of these people)"
        )


def run_gates(quarantined: Quarantined, frame: pd.DataFrame, canaries: Counts) -> list[GateReport]:
    """Run every gate that the table requires."""
    reports = []
    for suite in quarantined.table.gates:
        if suite == CANARIES:
            recalls = pd.DataFrame([recall_limits(canaries)]).add_prefix("recall_")
            reports.append(replace(run_gate(suite, recalls), measures=dict(canaries)))
        else:
            reports.append(run_gate(suite, frame))
    return reports


def publish_through_gates(
    lake: Lake,
    quarantined: Quarantined,
    reports: Sequence[GateReport],
    overrides: Iterable[GateOverride] = (),
) -> Manifest:
    """Publish a partition whose gates passed, with signed marks; otherwise leave it in quarantine.

    Raises:
        GatesFailed: naming the partition, the expectations that failed and how many rows break each.
    """
    overrides, week = tuple(overrides), quarantined.partition.get("week", "")
    failed = _failed(reports)
    waived = [(suite, waiver(suite, finding, week, overrides)) for suite, finding in failed]
    refused = [each for each, (_, let_pass) in zip(failed, waived, strict=True) if let_pass is None]
    label = partition_label(quarantined.table.name, quarantined.partition)
    if refused:
        reasons = "; ".join(
            f"{suite}: {finding.expectation}({finding.column}) fails"
            + (f" on {finding.unexpected_rows} row(s)" if finding.unexpected_rows is not None else "")
            for suite, finding in refused
        )
        raise GatesFailed(
            f"{label}: not published. {reasons}. The rows are in quarantine; correct the cause and materialise it again",
            reports,
        )
    if any(not report.findings for report in reports):
        raise GatesFailed(f"{label}: not published. A gate expected nothing; restore its suite", reports)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    marks = [
        GateMark(
            report.suite,
            report.suite_version,
            quarantined.content,
            __version__,
            now,
            len(report.findings),
            waivers=tuple(let_pass for suite, let_pass in waived if suite == report.suite and let_pass),
            measures={name: tuple(numbers) for name, numbers in report.measures.items()},
        )
        for report in reports
    ]
    return lake.publish(quarantined, [lake.signed(quarantined, mark) for mark in marks])


def _failed(reports: Iterable[GateReport]) -> list[tuple[str, Finding]]:
    return [
        (report.suite, finding) for report in reports for finding in report.findings if not finding.success
    ]


def _count(result: dict[str, Any]) -> int | None:
    count = result.get("unexpected_count") if result else None
    return int(count) if count is not None else None


@cache
def _context() -> tuple[Any, Any]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    import great_expectations as gx  # 5 s and 280 MB: only where a gate runs

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context, gx


def _batch(context: Any) -> Any:
    source = context.data_sources.add_or_update_pandas("quarantine")
    return source.add_dataframe_asset("partition").add_batch_definition_whole_dataframe("whole")
