"""What one report shows: the published tables of a study, and the labels that a reader must not miss. Not here: reading
them from the lake (content).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from depsim_dagster.report.plain_rows import records

SANDBOX_LABEL = "SANDBOX: synthetic traffic, models and outcomes. Not a measurement of any real model."
SANDBOX_SHORT = "SANDBOX: synthetic data"
GROUP_TITLES = {"disallowed_content": "Disallowed content", "misalignment": "Misalignment"}


@dataclass(frozen=True, kw_only=True, eq=False)
class DataQuality:
    """What happened to the records and texts before they were counted. None means "not known", an empty table "none".

    outcomes: labels by status, as {status: count} or as any table.
    files: format, files, records, rejected, conversations, user_turns, malformed_turns.
    rejected: reason, field, records, files.
    replaced: week, prefix_source, turns, turns_with_details, details_replaced, residual_details, attachments_dropped,
    suppressed; details: type, details_replaced, suppressed.
    canaries: type, planted, found, recall, weeks.
    overrides: rows of overrides_in_force; erasures: rows of erasure_receipts.
    sample_changes: candidate, part, weeks, turns_removed, changed_at: what of a forecast or its outcome lost turns after
    it was sealed or scored.
    """

    outcomes: Mapping[str, object] | pd.DataFrame = field(default_factory=dict)
    files: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    replaced: pd.DataFrame | None = None
    details: pd.DataFrame | None = None
    canaries: pd.DataFrame | None = None
    overrides: pd.DataFrame | None = None
    erasures: pd.DataFrame | None = None
    sample_changes: pd.DataFrame | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistryState:
    """The registry as it was found when the report was made.

    entries: sequence, kind (forecast, amendment or outcome_opened), model, amendment, week, stated (registered or
    retrospective), at, hash, previous_hash; findings: severity, where, problem, way_out, of what is wrong with it or changed
    below it. `refused` is why it could not be verified at all.
    """

    entries: pd.DataFrame = field(default_factory=pd.DataFrame)
    findings: Sequence[Mapping[str, object]] = ()
    intact: bool = False
    refused: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything that the page shows. An empty table or mapping means "absent" and is said so on the page.

    calibration: `post_release_calibration` rows of all candidates; summary: `calibration_summary` rows (a candidate
    without one has no median, tail or noise floor); forecasts: `registered_forecasts` rows, of which the latest amendment of
    each candidate is its forecast (a candidate without calibration rows is shown as sealed, not yet observed); baselines:
    `baseline_calibration` rows; rates_by_week: `rate_estimates` and `observed_rates` rows together; funnel: week,
    prefix_source, rule, turns, order, where the turns that each rule excluded and those that are left add up to the source's
    turns; marts: name to any table; grader_validation: rows of the table of that name; comparison, corrected, shift,
    variants, decomposition, tests: rows of `model_comparison`, `corrected_rates`, `traffic_shift`, `variant_calibration`,
    `error_decomposition` and `registered_tests`; awareness, giveaways: of `awareness_rates` and `replay_giveaways`;
    behaviours, differences, ablation, after_release, decisions: of `novel_behaviours`, `behaviour_differences`,
    `category_ablation`, `post_release_behaviours` and `behaviour_decisions`; has_awareness, has_audit: whether the study
    file has the section, None where that is not known; registry: None where it is not known; gates: mappings with week, suite,
    success, suite_version, note. A row whose `suppressed` is true has its numbers withheld, because they rest on fewer than
    `k_anonymity` users or would give such a number away.
    """

    study: str
    generated_at: datetime
    sandbox: bool
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    forecasts: pd.DataFrame = field(default_factory=pd.DataFrame)
    baselines: pd.DataFrame = field(default_factory=pd.DataFrame)
    rates_by_week: pd.DataFrame = field(default_factory=pd.DataFrame)
    funnel: pd.DataFrame = field(default_factory=pd.DataFrame)
    marts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    measurement_stack: Mapping[str, object] = field(default_factory=dict)
    data_quality: DataQuality = field(default_factory=DataQuality)
    grader_validation: pd.DataFrame = field(default_factory=pd.DataFrame)
    comparison: pd.DataFrame = field(default_factory=pd.DataFrame)
    corrected: pd.DataFrame = field(default_factory=pd.DataFrame)
    shift: pd.DataFrame = field(default_factory=pd.DataFrame)
    variants: pd.DataFrame = field(default_factory=pd.DataFrame)
    decomposition: pd.DataFrame = field(default_factory=pd.DataFrame)
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    awareness: pd.DataFrame = field(default_factory=pd.DataFrame)
    giveaways: pd.DataFrame = field(default_factory=pd.DataFrame)
    behaviours: pd.DataFrame = field(default_factory=pd.DataFrame)
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    ablation: pd.DataFrame = field(default_factory=pd.DataFrame)
    after_release: pd.DataFrame = field(default_factory=pd.DataFrame)
    decisions: pd.DataFrame = field(default_factory=pd.DataFrame)
    has_awareness: bool | None = None
    has_audit: bool | None = None
    registry: RegistryState | None = None
    k_anonymity: int | None = None
    gates: Sequence[Mapping[str, object]] = ()

    @property
    def shows_sandbox(self) -> bool:
        """True when the flag is set or any row says so: a forgotten flag must not drop the label."""
        frames = (
            self.calibration,
            self.summary,
            self.forecasts,
            self.baselines,
            self.rates_by_week,
            self.grader_validation,
            self.comparison,
            self.corrected,
            self.shift,
            self.variants,
            self.decomposition,
            self.tests,
            self.awareness,
            self.giveaways,
            self.behaviours,
            self.differences,
            self.ablation,
            self.after_release,
        )
        return self.sandbox or any(row.get("sandbox") is True for frame in frames for row in records(frame))

    @property
    def standing_forecasts(self) -> pd.DataFrame:
        """The rows of `forecasts` that stand: each candidate's latest amendment."""
        rows = self.forecasts
        if not len(rows) or "amendment" not in rows:
            return rows
        return rows[rows["amendment"] == rows.groupby("model")["amendment"].transform("max")]
