"""The tables of the estimators beside a fake study's forecasts and scores: comparison, correction, shift, variants,
decomposition, tests and registry. Made from the fake study's own counts; no outcome of any real model.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from scipy import stats

from depsim_dagster.estimation.calibration.hypotheses import HYPOTHESES
from depsim_dagster.estimation.comparison.multiplicity import benjamini_hochberg, holm
from depsim_dagster.estimation.comparison.paired import (
    mcnemar_p_value,
    paired_ratio_interval,
    paired_rise_probability,
)
from depsim_dagster.report.report_content import RegistryState

IDENTITY = ["model", "deployment", "category", "category_group"]
SEAL = ["kind", "stack_hash", "forecast_hash", "sandbox"]


def with_calls(scored: pd.DataFrame) -> pd.DataFrame:
    """The columns of post_release_calibration on probabilities of direction, PIT and the unshrunk ratio."""
    rng = np.random.default_rng(3)
    spread = np.sqrt(0.25 + 1 / (scored["forecast_k"] + 0.5) + 1 / (scored["predecessor_production_k"] + 0.5))
    change = np.log((scored["forecast_k"] + 0.5) / (scored["predecessor_production_k"] + 0.5))
    probability = stats.norm.cdf(change / spread)
    called = np.where(probability > 0.9, 1, np.where(probability < 0.1, -1, 0))
    seen = scored["observed_direction"].to_numpy()
    right = pd.array(
        [None if not c or not s else bool(c == s) for c, s in zip(called, seen, strict=True)], dtype="boolean"
    )
    return scored.assign(
        sme_lower=np.maximum(scored["sme"] / 1.3, 1),
        sme_upper=scored["sme"] * 1.3,
        predictive_log_score=scored["log_score"],
        pit=rng.uniform(size=len(scored)),
        direction_probability=probability,
        called_direction=called,
        called_correct=right,
        ratio_per_100k=scored["forecast_per_100k"],
        ratio_sme=scored["sme"],
        ratio_log_score=scored["log_score"],
        ratio_direction=scored["paired_direction"],
    )


def with_variants(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The sealed columns on tau, the chain and other forecasts of the same rate."""
    variants = [
        [
            {
                "variant": name,
                "rate_per_100k": factor * row.rate_per_100k,
                "lower_per_100k": factor * row.lower_per_100k,
                "upper_per_100k": factor * row.upper_per_100k,
                "n": 0.7 * row.n,
                "design_effect": 1.2,
                "note": note,
            }
            for name, factor, note in (
                ("reweighted", 1.08, "post-stratified to the traffic of the latest weeks"),
                ("weeks", 0.96, "weeks discounted by 0.7 for rare and 0.5 for common categories"),
            )
        ]
        for row in forecasts.itertuples()
    ]
    places = {model: place for place, model in enumerate(dict.fromkeys(forecasts["model"]))}
    return forecasts.assign(
        variants=variants,
        tau_lower=0.3,
        tau_upper=0.8,
        tau_prior=0.5,
        tau_pairs=38,
        tau_source="38 scored forecasts of this study",
        amendment=0,
        sequence=forecasts["model"].map(places),
        code_version="0.5.0+1a2b3c4d",
        prefixes_hash=hashlib.sha256(b"prefixes").hexdigest(),
    )


def comparison(forecasts: pd.DataFrame) -> pd.DataFrame:
    """A fifth of the smaller count in both models."""
    k, old, n = (forecasts[name].to_numpy() for name in ("k", "predecessor_sim_k", "n"))
    both = np.minimum(k, old) // 5
    frame = forecasts[[*IDENTITY, "stack_hash", "sandbox"]].assign(
        pairs=n,
        both=both,
        only_candidate=k - both,
        only_predecessor=old - both,
        candidate_per_100k=k / n * 1e5,
        predecessor_per_100k=old / n * 1e5,
        ratio=np.divide(k, old, out=np.full(len(k), np.inf), where=old > 0),
        p_value=mcnemar_p_value(k - both, old - both),
        rise_probability=paired_rise_probability(both, k - both, old - both),
        design_effect=1.0,
        method="paired_score",
        level=0.95,
        users=n // 2,
    )
    lower, upper = paired_ratio_interval(both, k - both, old - both)
    by_model = frame.groupby("model")["p_value"]
    adjusted = by_model.transform(benjamini_hochberg)
    return frame.assign(
        ratio_lower=lower,
        ratio_upper=upper,
        p_benjamini_hochberg=adjusted,
        p_holm=by_model.transform(holm),
        rose=(adjusted <= 0.1) & (k > old),
    )


def corrected(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Frequent categories corrected, rare ones refused; the production of nobody."""
    rows = []
    for row in forecasts.itertuples():
        enough = row.k >= 30
        seen = {
            "model": row.model,
            "deployment": row.deployment,
            "category": row.category,
            "category_group": row.category_group,
            "k": row.k,
            "n": row.n,
            "clusters": row.n // 2,
            "rate_per_100k": row.rate_per_100k,
            "lower_per_100k": row.lower_per_100k,
            "upper_per_100k": row.upper_per_100k,
            "audited_clusters": 25 if enough else 0,
            "level": 0.95,
            "stack_hash": row.stack_hash,
            "sandbox": row.sandbox,
        }
        if enough:
            fixed = 0.6 * row.rate_per_100k
            seen |= {
                "corrected_per_100k": fixed,
                "corrected_lower_per_100k": 0.7 * fixed,
                "corrected_upper_per_100k": 1.4 * fixed,
                "method": "precision_sensitivity",
                "reason": "assumes that the grader catches as large a share here as among the known positives",
                "audited": 30,
                "confirmed": 16,
                "known_positives": 60,
                "caught": 53,
                "precision": 16 / 30,
                "sensitivity": 53 / 60,
            }
        else:
            seen |= {"method": "refused", "reason": "no flagged turn was read by people", "audited": 0}
            seen |= {"confirmed": 0, "known_positives": 0, "caught": 0}
        rows.append(seen | {"source": "simulated"})
        refusal = {"method": "refused", "reason": "no turn of the production was read by people"}
        rows.append(seen | {"source": "production", "corrected_per_100k": None} | refusal)
    return pd.DataFrame(rows)


def shift(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Two languages and three lengths; the last candidate's sample overlaps poorly."""
    models = forecasts[["model", "deployment", "sandbox"]].drop_duplicates().to_dict("records")
    values = [
        ("language", "en", 800, 0.8, 0.6),
        ("language", "is", 3, 0.003, 0.004),
        ("language", "de", 197, 0.197, 0.396),
        ("length", "short", 500, 0.5, 0.45),
        ("length", "long", 500, 0.5, 0.55),
    ]
    return pd.DataFrame(
        [
            {
                **model,
                "dimension": dimension,
                "value": value,
                "weighted_as": "de, is" if value in ("de", "is") else value,
                "sampled_turns": turns,
                "users": turns // 2,
                "sampled_share": share,
                "target_share": target,
                "target_users": turns,
                "factor": target / share,
                "weighted_share": target,
                "method": "raked",
                "target_mix": "recent",
                "effective_n": 912.4,
                "effective_users": 401.5,
                "overlap": 0.996 if model != models[-1] else 0.61,
                "trimmed_share": 0.0,
                "trim": 8.0,
                "warning": None
                if model != models[-1]
                else "39 % of the target mix has fewer than 20 sampled turns: reweighted rates say little of it",
            }
            for model in models
            for dimension, value, turns, share, target in values
        ]
    )


def variant_scores(scored: pd.DataFrame) -> pd.DataFrame:
    kept = [
        *IDENTITY, *SEAL, "observed_per_100k", "observed_k", "observed_n", "log_score", "predictive_log_score", "pit",
        "predicted_count_lower", "predicted_count_upper", "observed_in_prediction", "comparable",
    ]  # fmt: skip
    return pd.concat(
        scored[kept].assign(
            variant=name,
            forecast_per_100k=factor * scored["forecast_per_100k"],
            forecast_n=scored["forecast_n"].astype(float),
            forecast_design_effect=1.0,
            sme=scored["sme"] * factor**0.5 if factor > 1 else scored["sme"],
        )
        for name, factor in (("pooled", 1.0), ("reweighted", 1.08), ("weeks", 1.04))
    )


def decomposition(scored: pd.DataFrame) -> pd.DataFrame:
    parts = []
    sides = {
        "environment": ("predecessor_sim", "predecessor_production"),
        "full": ("forecast", "observed"),
    }
    for component, (a, b) in sides.items():
        log_ratio = np.log((scored[f"{a}_k"] + 0.5) / (scored[f"{b}_k"] + 0.5))
        spread = 1.96 * np.sqrt(1 / (scored[f"{a}_k"] + 0.5) + 1 / (scored[f"{b}_k"] + 0.5))
        parts.append(
            scored[[*IDENTITY, *SEAL]].assign(
                component=component,
                **{f"{to}_{name}": scored[f"{side}_{name}"] for side, to in ((a, "a"), (b, "b")) for name in ("k", "n", "per_100k")},
                log_ratio=log_ratio,
                log_ratio_lower=log_ratio - spread,
                log_ratio_upper=log_ratio + spread,
                sme=np.exp(log_ratio.abs()),
                sme_noise_floor_median=scored["sme_noise_floor_median"],
                sme_noise_floor_p90=scored["sme_noise_floor_p90"],
                comparable=scored[f"{a}_k"] + scored[f"{b}_k"] >= 10,
                between_share=0.62,
                within_share=0.38,
                note="" if component == "full" else "both over the forecast’s weeks",
            )
        )  # fmt: skip
    sampling = scored[[*IDENTITY, *SEAL, "comparable", "sme_noise_floor_median", "sme_noise_floor_p90"]]
    parts.append(sampling.assign(component="sampling", sme=scored["sme_noise_floor_median"], note=""))
    grader = scored[[*IDENTITY, *SEAL]].assign(component="grader", comparable=False, note="no human labels")
    return pd.concat([*parts, grader], ignore_index=True)


def tests(kind: str, sandbox: bool, stack: str) -> pd.DataFrame:
    common = {"kind": kind, "stack_hash": stack, "sandbox": sandbox, "candidates": 3, "pairs": 47}
    return pd.DataFrame(
        [
            common
            | {
                "test": "H1",
                "hypothesis": HYPOTHESES["H1"],
                "estimate": 0.84,
                "lower": 0.21,
                "upper": 1.6,
                "p_value": 0.004,
                "method": "paired sign flips of candidates and categories",
                "result": "supported",
                "reason": "47 pairs of 3 candidates",
            },
            common
            | {
                "test": "H2",
                "hypothesis": HYPOTHESES["H2"],
                "estimate": None,
                "lower": None,
                "upper": None,
                "p_value": None,
                "method": "",
                "result": "not_testable",
                "reason": "the study replays no challenging prompts",
            },
            common
            | {
                "test": "H3",
                "hypothesis": HYPOTHESES["H3"],
                "estimate": 12.0,
                "lower": None,
                "upper": None,
                "p_value": 0.4,
                "method": "binomial",
                "result": "not_supported",
                "reason": "an unseen behaviour at 12 per 100k",
            },
        ]
    )


def registry(forecasts: pd.DataFrame, kind: str) -> RegistryState:
    """Every candidate sealed, the second amended once; labels of one week were published again."""
    rows, before = [], ""
    entries = [("forecast", model, 0) for model in dict.fromkeys(forecasts["model"])]
    entries.insert(2, ("amendment", entries[1][1], 1))
    entries.append(("outcome_opened", entries[0][1], 0))
    for sequence, (what, model, amendment) in enumerate(entries):
        rows.append(
            {
                "sequence": sequence,
                "kind": what,
                "model": model,
                "amendment": amendment,
                "week": "2026-01-26" if what == "outcome_opened" else None,
                "stated": kind if what != "outcome_opened" else None,
                "at": f"2026-11-20T1{sequence}:00:00+00:00",
                "hash": hashlib.sha256(f"{sequence}".encode()).hexdigest(),
                "previous_hash": before,
            }
        )
        before = rows[-1]["hash"]
    finding = {
        "severity": "changed",
        "where": "graded_labels[week=2026-01-12]",
        "problem": "were published again after they were sealed",
        "way_out": "nothing is to be done",
    }
    return RegistryState(entries=pd.DataFrame(rows), findings=[finding], intact=True)
