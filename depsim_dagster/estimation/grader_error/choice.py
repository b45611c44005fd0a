"""Which correction of a rate its validation data can carry, and the refusal where they carry none.

In this order:

1. `two_phase_audit`: flagged turns of this rate were audited and so many of the others, by score, that the misses which the
   audit cannot see are fewer than the estimate. It needs no transport of anything.
2. `precision_sensitivity`: flagged turns of this rate were audited, and enough known positives elsewhere tell the sensitivity.
3. `rogan_gladen`: none of this rate was audited, but sensitivity and specificity are known from other turns of the same
   measurement stack, and false alarms are less than half of the raw rate.
4. `refused`, with what is missing.

Which turns may count (measurement stack, reading, probabilities) is decided where they are read (grading/review/audits).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from depsim_dagster.estimation.grader_error.audited import AuditedTotal, audited_total
from depsim_dagster.estimation.grader_error.correction import (
    Corrected,
    KnownPositives,
    precision_sensitivity,
)
from depsim_dagster.estimation.grader_error.rogan_gladen import is_valid, rogan_gladen
from depsim_dagster.estimation.grader_error.two_phase_audit import two_phase_audit
from depsim_dagster.estimation.inputs import require_columns
from depsim_dagster.estimation.intervals import zero_event_upper

AUDIT_COLUMNS = ("human", "flagged", "weight", "probability", "score")
FEWEST_FLAGS = 30
FEWEST_POSITIVES = 20
FEWEST_CAUGHT = 5


@dataclass(frozen=True)
class RawRate:
    """The rate of what the grader flags: k of n graded turns, as a fraction, with its design effect."""

    k: int
    n: int
    rate: float
    design_effect: float = 1.0


@dataclass(frozen=True)
class Positives:
    """Known positives and the assumption under which their sensitivity holds for the rate."""

    known: KnownPositives
    assumption: str


@dataclass(frozen=True)
class Specificity:
    """Of a grader on other turns of the stack: estimate, lower limit, and the negatives that it is worth."""

    estimate: float
    lower: float
    negatives: float
    assumption: str


@dataclass(frozen=True)
class Evidence:
    """What people found. `audit`: rows AUDIT_COLUMNS of turns of this very rate (`probability` null where it is not known);
    `positives`: in the order of preference; `notes`: what was left out, for the reason of a refusal; `unresolved`: turns of
    this rate that people read and could not settle, for the reason of a correction."""

    audit: pd.DataFrame
    positives: Sequence[Positives] = ()
    specificity: Specificity | None = None
    notes: Sequence[str] = ()
    unresolved: int = 0


@dataclass(frozen=True)
class Correction:
    """The outcome: a method of the list above and its reason (an assumption, or why it is refused). Fractions; null where
    there is none. `audited` and `confirmed`: flagged turns that people read, and agreed with."""

    method: str
    reason: str
    corrected: Corrected | None = None
    audited: int = 0
    confirmed: int = 0
    known_positives: int = 0
    caught: int = 0
    precision: float | None = None
    sensitivity: float | None = None


@dataclass
class _Strata:
    """The audit of a rate by the grader's verdict."""

    flagged: AuditedTotal | None = None
    unflagged: AuditedTotal | None = None
    problems: list[str] = field(default_factory=list)


def correct_rate(raw: RawRate, evidence: Evidence, level: float = 0.95, seed: int = 0) -> Correction:
    """The correction that the evidence can carry. Raises EstimationError for a malformed table."""
    require_columns(evidence.audit, AUDIT_COLUMNS, "audit")
    if not raw.n:
        return Correction("refused", "no turn is graded")
    strata = _strata(raw, evidence.audit)
    flags = evidence.audit[evidence.audit["flagged"].astype(bool)]
    seen = {"audited": len(flags), "confirmed": int(flags["human"].astype(bool).sum())}
    if strata.flagged is not None:
        seen["precision"] = strata.flagged.share
        if strata.unflagged is not None:
            audit = _by_audit(raw, strata.flagged, strata.unflagged, level)
            if isinstance(audit, Correction):
                return _with(_unsettled(audit, evidence), seen)
            strata.problems.append(audit)
    found = [p for p in evidence.positives if _refusal_of(p.known) is None]
    if strata.flagged is not None and found:
        known = found[0].known
        rate = precision_sensitivity(strata.flagged, raw.n, known, level, seed)
        correction = Correction("precision_sensitivity", f"assumes {found[0].assumption}", rate)
        return _with(_unsettled(correction, evidence), seen, known)
    problems = strata.problems + [
        f"{_refusal_of(p.known)} ({p.assumption})" for p in evidence.positives if _refusal_of(p.known)
    ]
    if not evidence.positives:
        problems.append("no known positives, so the sensitivity is not known")
    if found and evidence.specificity is not None and strata.flagged is None:
        by_specificity = _by_specificity(raw, found[0], evidence.specificity, level)
        if isinstance(by_specificity, Correction):
            return _with(by_specificity, seen, found[0].known)
        problems.append(by_specificity)
    return _with(Correction("refused", "; ".join([*problems, *evidence.notes])), seen)


def _strata(raw: RawRate, audit: pd.DataFrame) -> _Strata:
    strata = _Strata()
    flags = audit["flagged"].astype(bool)
    all_flags = int(flags.sum()) >= raw.k
    # Where every flagged turn was read, nothing was drawn among them.
    probability = audit["probability"].where(~(flags & all_flags), 1.0)
    unknown = probability.isna()
    flagged, unflagged = audit[flags], audit[~flags]
    clustering = raw.design_effect if np.isfinite(raw.design_effect) else 1.0
    turns = raw.n * raw.rate

    def total(rows: pd.DataFrame, of: float, score: pd.Series | None) -> AuditedTotal:
        given = probability[rows.index]
        return audited_total(of, rows["human"], rows["weight"], given, score, raw.n, clustering)

    if unknown[flags].any():
        strata.problems.append(
            f"{int(unknown[flags].sum())} of {len(flagged)} audited flags have no sampling probability"
        )
    elif len(flagged) < min(FEWEST_FLAGS, raw.k):
        strata.problems.append(
            f"{len(flagged)} of {raw.k:,} flagged turns of this rate are audited, of at least {min(FEWEST_FLAGS, raw.k)}"
        )
    else:
        strata.flagged = total(flagged, turns if raw.k else 0.0, None)
    if unknown[~flags].any():
        strata.problems.append("audited unflagged turns have no sampling probability")
    elif len(unflagged):
        strata.unflagged = total(unflagged, raw.n - turns, unflagged["score"])
    return strata


def _by_audit(raw: RawRate, flagged: AuditedTotal, unflagged: AuditedTotal, level: float) -> Correction | str:
    """The two-phase audit, or why it does not carry: what it cannot see may be more than what it estimates."""
    hidden = float(zero_event_upper(unflagged.unseen, level))
    estimate = flagged.total + unflagged.total
    if hidden > estimate:
        return (
            f"the audit of {unflagged.audited:,} unflagged turns may overlook misses worth {hidden:,.0f} turns, more than the "
            f"{estimate:,.1f} that it estimates"
        )
    rate, free = two_phase_audit(flagged, unflagged, raw.n, level)
    reason = (
        "needs no assumption"
        if free
        else "unbiased without assumptions; the upper limit takes at most a tenth of the positives to be blind to the score"
    )
    sensitivity = flagged.total / estimate if estimate else None
    return Correction("two_phase_audit", reason, rate, sensitivity=sensitivity)


def _by_specificity(
    raw: RawRate, positives: Positives, specificity: Specificity, level: float
) -> Correction | str:
    known = positives.known
    if known.sensitivity + specificity.estimate <= 1:
        return "the grader flags positives no more often than other turns, so sensitivity and specificity cannot correct it"
    if not is_valid(raw.rate, 1 - specificity.lower):
        return (
            f"false alarms may be {1 - specificity.lower:.2g} of the turns, not less than half of the raw rate, so "
            "sensitivity and specificity cannot correct it"
        )
    events = known.caught_events + known.missed_events
    worth = raw.n / max(raw.design_effect, 1.0)
    rate, lower, upper = (
        float(value)
        for value in rogan_gladen(
            raw.rate, worth, known.sensitivity, events, specificity.estimate, specificity.negatives, level
        )
    )
    reason = f"assumes {positives.assumption}, and {specificity.assumption}"
    return Correction("rogan_gladen", reason, Corrected(rate, lower, upper))


def _refusal_of(known: KnownPositives) -> str | None:
    """Why the known positives do not tell the sensitivity."""
    if known.n < FEWEST_POSITIVES:
        return f"{known.n} known positives, of at least {FEWEST_POSITIVES}"
    if known.caught < FEWEST_CAUGHT:
        return f"the grader flags {known.caught} of {known.n} known positives, of at least {FEWEST_CAUGHT}"
    if known.missed_weight * 3 > known.caught_events + known.missed_events * known.missed_weight:
        return f"misses that were not drawn may outweigh the {known.n} known positives"
    return None


def _unsettled(correction: Correction, evidence: Evidence) -> Correction:
    """The correction with what it takes the turns to be that people read and could not settle: they are in no total."""
    if not evidence.unresolved:
        return correction
    reason = correction.reason.replace("needs no assumption", "needs no other assumption")
    unsettled = f"{evidence.unresolved:,} turns on which people were unsure or disagree are taken to be like the others"
    return replace(correction, reason=f"{reason}; {unsettled}")


def _with(correction: Correction, seen: dict, known: KnownPositives | None = None) -> Correction:
    values = {**correction.__dict__, **seen}
    if known is not None:
        values |= {"known_positives": known.n, "caught": known.caught, "sensitivity": known.sensitivity}
    return Correction(**values)
