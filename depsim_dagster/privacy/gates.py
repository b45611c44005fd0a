"""The gates between traffic and replay: Great Expectations suites over a frame that holds no text.

A gate sees the quarantined partition's numbers, flags and pseudonyms, never a conversation, so nothing it reports can
leak one. Its mark is bound to the content hash and to the suite's version; the lake refuses to publish, and later to
read, a partition without it.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from depsim_dagster import __version__
from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.errors import GateError
from depsim_dagster.lake import GateMark, Lake, Manifest, Quarantined, partition_label
from depsim_dagster.privacy.consent import consent_holds
from depsim_dagster.privacy.suites import read_suite, suite_file
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC

GATED_COLUMNS = (
    "turn_id",
    "conversation_id",
    "user_id",
    "sent_at",
    "account_class",
    "surface",
    "temporary",
    "has_attachment",
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
    """The outcome of one suite on one quarantined partition."""

    suite: str
    suite_version: str
    findings: tuple[Finding, ...]

    @property
    def success(self) -> bool:
        return bool(self.findings) and all(finding.success for finding in self.findings)


def gated_frame(
    quarantined: Quarantined, sampled: pd.DataFrame, study: StudyConfig, week: dt.date
) -> pd.DataFrame:
    """What the gates see: the partition without its text, with classes and consent recomputed apart from the sampling SQL.

    `sampled` has the columns turn_id and conversation_id of the sample that the partition was made from.
    """
    frame = quarantined.read(columns=list(GATED_COLUMNS)).to_pandas()
    now = study.traffic.as_of or dt.datetime.now(dt.UTC)
    exclude = study.sampling.exclude
    unknown_class = ~frame["account_class"].isin(["consumer", "employee", "enterprise"])
    classes = pd.Series("none", index=frame.index)
    for on, name, condition in (
        (exclude.attachments, "attachment", frame["has_attachment"]),
        (exclude.api, "api", frame["surface"] != "chat"),
        (exclude.enterprise or exclude.employees, "unknown_account_class", unknown_class),
        (exclude.enterprise, "enterprise", frame["account_class"] == "enterprise"),
        (exclude.employees, "employee", frame["account_class"] == "employee"),
        (exclude.temporary_chats, "temporary_chat", frame["temporary"]),
    ):
        if on:
            classes = classes.mask(condition.astype(bool), name)
    start = pd.Timestamp(week, tz="UTC")
    pairs = pd.MultiIndex.from_frame(sampled[["turn_id", "conversation_id"]])
    return frame.assign(
        excluded_class=classes,
        consent_holds=consent_holds(study, zip(frame["user_id"], frame["sent_at"], strict=True), now),
        decided_before_now=frame["consent_decided_at"] <= pd.Timestamp.now("UTC"),
        in_week=(frame["sent_at"] >= start) & (frame["sent_at"] < start + pd.Timedelta(WEEK)),
        sampled=pd.MultiIndex.from_frame(frame[["turn_id", "conversation_id"]]).isin(pairs),
        complete=len(frame) == len(sampled),
    ).drop(columns=["sent_at"])


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


def run_gates(quarantined: Quarantined, frame: pd.DataFrame) -> list[GateReport]:
    """Run every gate that the table requires."""
    return [run_gate(suite, frame) for suite in quarantined.table.gates]


def publish_through_gates(lake: Lake, quarantined: Quarantined, reports: list[GateReport]) -> Manifest:
    """Publish a partition whose gates passed; otherwise leave it in quarantine.

    Raises:
        GateError: naming the partition, the expectations that failed and how many rows break each.
    """
    failed = [
        (report.suite, finding) for report in reports for finding in report.findings if not finding.success
    ]
    if failed:
        label = partition_label(quarantined.table.name, quarantined.partition)
        reasons = "; ".join(
            f"{suite}: {finding.expectation}({finding.column}) fails"
            + (f" on {finding.unexpected_rows} row(s)" if finding.unexpected_rows is not None else "")
            for suite, finding in failed
        )
        raise GateError(
            f"{label}: not published. {reasons}. The rows are in quarantine; correct the cause and materialise it again"
        )
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return lake.publish(
        quarantined,
        [
            GateMark(
                report.suite,
                report.suite_version,
                quarantined.content,
                __version__,
                now,
                len(report.findings),
            )
            for report in reports
        ],
    )


def sampled_ids(lake: Lake, week: str) -> pd.DataFrame:
    """turn_id and conversation_id of the week's published sample."""
    return lake.read(SAMPLED_TRAFFIC, {"week": week}, columns=["turn_id", "conversation_id"]).to_pandas()


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
