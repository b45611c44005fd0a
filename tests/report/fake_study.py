"""Realistic fake report content: three candidates, 20 categories, 12 weeks. Seeded; no outcome of any real
model.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import fake_estimates
import literal_examination
import numpy as np
import pandas as pd
from scipy import stats

from depsim_dagster.estimation.calibration.summary import calibration_summary
from depsim_dagster.privacy.gates.aggregates import published_aggregate
from depsim_dagster.report.report_content import DataQuality, ReportContent

DISALLOWED = (
    "mental_health",
    "abuse_harassment",
    "sexual_content",
    "violent_wrongdoing",
    "nonviolent_wrongdoing",
    "bio_risk",
    "violence",
    "extremism",
    "emotional_reliance",
    "self_harm",
    "hate",
)
MISALIGNMENT = (
    "confirmation_hacking",
    "claiming_real_world_experiences",
    "misrepresenting_work_completion",
    "promising_background_tasks",
    "fabricated_facts",
    "lying_about_tools",
    "calculator_hacking",
    "concealed_uncertainty",
    "novel_other",
)
CATEGORIES = [(c, "disallowed_content") for c in DISALLOWED] + [(c, "misalignment") for c in MISALIGNMENT]
MODELS = ("sandbox-v1", "sandbox-v2", "sandbox-v3", "sandbox-v4")
WEEKS = [str(day.date()) for day in pd.date_range("2026-01-05", periods=12, freq="7D")]


def quality() -> DataQuality:
    """A study whose logs had bad records, whose canaries were missed twice, and that erased somebody."""
    moment = pd.Timestamp("2026-11-22T09:30:00Z")
    return DataQuality(
        outcomes={"missing_completion": 41, "unscored": 12, "not_applicable": 903},
        files=pd.DataFrame(
            [
                ("depsim", 12, 60_000, 31, 59_969, 171_400, 12),
                ("openai_chat", 1, 400, 2, 398, 398, 0),
            ],
            columns=["format", "files", "records", "rejected", "conversations", "user_turns", "malformed_turns"],
        ),
        rejected=pd.DataFrame(
            [("not_json", None, 20, 3), ("no_time", "messages.created_at", 13, 2)],
            columns=["reason", "field", "records", "files"],
        ),
        replaced=pd.DataFrame(
            [(week, "deployment_traffic", 1000, 161, 240, 0) for week in WEEKS],
            columns=[
                "week", "prefix_source", "turns", "turns_with_details", "details_replaced", "residual_details",
            ],
        ),
        canaries=pd.DataFrame(
            [("email", 480, 480, 1.0, 12), ("person", 480, 455, 455 / 480, 12)],
            columns=["type", "planted", "found", "recall", "weeks"],
        ),
        overrides=pd.DataFrame(
            [
                {
                    "week": WEEKS[2],
                    "suite": "privacy",
                    "expectation": "expect_column_values_to_be_between",
                    "column": "residual_identifiers",
                    "unexpected_rows": 1,
                    "approved_by": "R. Viewer",
                    "reason": "a version number that reads like an address",
                    "checked_at": "2026-11-20T10:00:00+00:00",
                }
            ]
        ),
        erasures=pd.DataFrame(
            [("r-1", moment, "user_request", 1, table, 1, 0, 3) for table in ("sampled_traffic", "graded_labels")],
            columns=[
                "receipt_id", "completed_at", "reason", "users", "table", "partitions", "partitions_removed",
                "rows_removed",
            ],
        ),
        sample_changes=pd.DataFrame(
            [(MODELS[2], "forecast (X→Y)", [WEEKS[4]], 3, moment)],
            columns=["candidate", "part", "weeks", "turns_removed", "changed_at"],
        ),
    )  # fmt: skip


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def interval(k: int, n: int) -> tuple[float, float]:
    """Garwood limits per 100k."""
    lower = stats.gamma.ppf(0.025, k) if k else 0.0
    return lower / n * 1e5, stats.gamma.ppf(0.975, k + 1) / n * 1e5


def smoothed(k: int, n: int) -> float:
    return (k + 0.5) / (n + 1)


def baselines(scored: pd.DataFrame) -> pd.DataFrame:
    """Rates on challenging prompts, some twenty times those of production."""
    taken = [
        "model", "deployment", "category", "category_group", "forecast_per_100k", "observed_k", "observed_n",
        "observed_per_100k", "comparable", "moved", "sme", "log_score", "observed_direction", "direction_correct",
        "stack_hash", "forecast_hash", "kind", "sandbox",
    ]  # fmt: skip
    k = (scored["forecast_k"] // 15).clip(upper=400).astype(int)
    old = (scored["predecessor_sim_k"] // 15).clip(upper=400).astype(int)
    called = np.sign(k - old)
    right = [
        None if not call or not seen else bool(call == seen)
        for call, seen in zip(called, scored["observed_direction"], strict=True)
    ]
    return scored[taken].assign(
        prefix_source="challenging_prompts",
        baseline_k=k,
        baseline_n=400,
        baseline_per_100k=k * 250.0,
        predecessor_k=old,
        predecessor_n=400,
        predecessor_per_100k=old * 250.0,
        baseline_sme=20.0,
        baseline_log_score=40.0,
        baseline_direction=called,
        baseline_direction_correct=right,
    )


def rate_calibration(candidates: tuple[str, ...]) -> pd.DataFrame:
    """A mart with every column of its own."""
    groups = ("all", "disallowed_content", "misalignment")
    return pd.DataFrame(
        [
            {
                "candidate": candidate,
                "category_group": group,
                "kind": "retrospective",
                "stack_hash": digest("stack"),
                "sandbox": True,
                "candidates": 1,
                "categories": 20,
                "comparable_categories": 14,
                "sme_median": 1.31,
                "sme_median_noise_floor": 1.12,
                "sme_median_noise_floor_p90": 1.27,
                "baseline_sme_median": 1.8,
                "sme_p90": 3.4,
                "sme_worst": 6.1,
                "sme_worst_category": "misrepresenting_work_completion",
                "sme_worst_candidate": candidate,
                "observed_in_prediction_share": 0.93,
                "log_score_mean": 2.9,
                "baseline_log_score_mean": 4.4,
                "log_rate_pearson_r": 0.95 if group == "all" else None,
            }
            for candidate in (*candidates, "all")
            for group in groups
        ]
    )


def examination(models: Sequence[str], sandbox: bool) -> dict[str, object]:
    """Evaluation awareness and the audit of every candidate."""
    pairs = list(zip(models[1:], models, strict=False))

    def of(table, *names):
        return pd.concat([table(*pair[: len(names)], sandbox=sandbox) for pair in pairs], ignore_index=True)

    both, one = ("candidate", "deployment"), ("candidate",)
    return {
        "awareness": of(literal_examination.awareness_rates, *both),
        "giveaways": published_aggregate(
            "replay_giveaways", of(literal_examination.replay_giveaways, *one), 5
        ),
        "behaviours": of(literal_examination.novel_behaviours, *both),
        "differences": of(literal_examination.behaviour_differences, *both),
        "ablation": of(literal_examination.category_ablation, *one),
        "after_release": of(literal_examination.post_release_behaviours, *one),
        "decisions": literal_examination.behaviour_decisions(),
        "has_awareness": True,
        "has_audit": True,
    }


def content(
    n: int = 60_000,
    seed: int = 7,
    sandbox: bool = True,
    kind: str = "retrospective",
    unobserved: bool = False,
    categories: Sequence[tuple[str, str]] = CATEGORIES,
    models: tuple[str, ...] = MODELS,
) -> ReportContent:
    """The whole content; `unobserved` leaves the last candidate sealed without outcome. Made once: replace, do not change."""
    return _content(n, seed, sandbox, kind, unobserved, tuple(categories), models)


@cache
def _content(
    n: int,
    seed: int,
    sandbox: bool,
    kind: str,
    unobserved: bool,
    categories: tuple[tuple[str, str], ...],
    models: tuple[str, ...],
) -> ReportContent:
    rng = np.random.default_rng(seed)
    true = {models[0]: 10 ** rng.uniform(-5.2, -2.5, len(categories))}
    for old, new in zip(models, models[1:], strict=False):
        true[new] = true[old] * np.exp(rng.normal(0, 0.55, len(categories)))
    stack, calibration, forecasts, weekly = digest("stack"), [], [], []
    previous = "0" * 64
    for index, (old, new) in enumerate(zip(models, models[1:], strict=False), start=1):
        forecast_hash = digest(f"{new}{seed}")
        bias = np.exp(rng.normal(0, 0.3, len(categories)))
        for c, (category, group) in enumerate(categories):
            kf, ko = rng.poisson(true[new][c] * bias[c] * n), rng.poisson(true[new][c] * n)
            ks, kp = rng.poisson(true[old][c] * bias[c] * n), rng.poisson(true[old][c] * n)
            (fl, fu), (ol, ou) = interval(kf, n), interval(ko, n)
            sme = lambda a, b: max(smoothed(a, n) / smoothed(b, n), smoothed(b, n) / smoothed(a, n))  # noqa: E731
            spread = math.sqrt(2 / (max(kf, ko) + 1))
            ratio = smoothed(ko, n) / smoothed(kp, n)
            fd, od, pd_ = int(np.sign(kf - kp)), int(np.sign(ko - kp)), int(np.sign(kf - ks))
            low, high = stats.nbinom.ppf(
                [0.025, 0.975], 1 / (0.1 + 1 / (kf + 0.5)), 1 / (1 + (kf + 0.5) * (0.1 + 1 / (kf + 0.5)))
            )
            calibration.append(
                {
                    "model": new,
                    "deployment": old,
                    "category": category,
                    "category_group": group,
                    "forecast_k": kf,
                    "forecast_n": n,
                    "forecast_per_100k": kf / n * 1e5,
                    "forecast_lower_per_100k": fl,
                    "forecast_upper_per_100k": fu,
                    "observed_k": ko,
                    "observed_n": n,
                    "observed_per_100k": ko / n * 1e5,
                    "observed_lower_per_100k": ol,
                    "observed_upper_per_100k": ou,
                    "observed_missing": int(rng.integers(0, 5)),
                    "forecast_design_effect": 1.0,
                    "observed_design_effect": 1.0,
                    "predecessor_sim_k": ks,
                    "predecessor_sim_n": n,
                    "predecessor_sim_per_100k": ks / n * 1e5,
                    "predecessor_production_k": kp,
                    "predecessor_production_n": n,
                    "predecessor_production_per_100k": kp / n * 1e5,
                    "predicted_count_lower": low,
                    "predicted_count_upper": high,
                    "observed_in_prediction": bool(low <= ko <= high),
                    "sme": sme(kf, ko),
                    "sme_noise_floor_median": math.exp(0.67 * spread),
                    "sme_noise_floor_p90": math.exp(1.64 * spread),
                    "baseline_sme": sme(kp, ko),
                    "comparable": kf + ko >= 10,
                    "log_score": rng.uniform(1, 5),
                    "baseline_log_score": rng.uniform(1, 6),
                    "observed_ratio": ratio,
                    "moved": max(ratio, 1 / ratio) >= 1.5,
                    "forecast_direction": fd,
                    "observed_direction": od,
                    "paired_direction": pd_,
                    "direction_correct": (fd == od) if fd and od else None,
                    "rise_probability": rng.uniform(),
                    "detectable_per_100k": 1e5 * 5 / n,
                    "stack_hash": stack,
                    "forecast_hash": forecast_hash,
                    "kind": kind,
                    "sandbox": sandbox,
                }
            )
            forecasts.append(
                {
                    "model": new,
                    "deployment": old,
                    "category": category,
                    "category_group": group,
                    "released_at": pd.Timestamp(WEEKS[3 * index], tz="UTC"),
                    "forecast_weeks": WEEKS[3 * index - 2 : 3 * index],
                    "k": kf,
                    "n": n,
                    "clusters": n // 2,
                    "design_effect": 1.1,
                    "rate_per_100k": kf / n * 1e5,
                    "lower_per_100k": fl,
                    "upper_per_100k": fu,
                    "predecessor_sim_k": ks,
                    "predecessor_sim_n": n,
                    "predecessor_sim_rate_per_100k": ks / n * 1e5,
                    "predecessor_production_k": kp,
                    "predecessor_production_n": n,
                    "predecessor_production_rate_per_100k": kp / n * 1e5,
                    "tau": 0.5,
                    "level": 0.95,
                    "kind": kind,
                    "stack_hash": stack,
                    "labels_hash": digest(new),
                    "sealed_at": pd.Timestamp("2026-11-20T10:00:00Z"),
                    "previous_hash": previous,
                    "forecast_hash": forecast_hash,
                    "sandbox": sandbox,
                }
            )
        previous = forecast_hash
    for w, week in enumerate(WEEKS):
        model = models[min(w // 3, len(models) - 1)]
        rows = [(model, model, "production")]
        if w % 3 and w // 3 + 1 < len(models):
            rows.append((models[w // 3 + 1], model, "simulated"))
        for writer, deployment, source in rows:
            for c, (category, group) in enumerate(categories):
                k = rng.poisson(true[writer][c] * n / 2)
                lower, upper = interval(k, n // 2)
                weekly.append(
                    {
                        "week": week,
                        "model": writer,
                        "deployment": deployment,
                        "source": source,
                        "category": category,
                        "category_group": group,
                        "k": k,
                        "n": n // 2,
                        "rate_per_100k": k / (n // 2) * 1e5,
                        "lower_per_100k": lower,
                        "upper_per_100k": upper,
                        "sandbox": sandbox,
                    }
                )
    rules = [
        ("account_class", 1100),
        ("temporary", 210),
        ("has_attachment", 540),
        ("no_consent", 930),
        ("not_sampled", 420),
        ("sampled", 1000),
    ]
    funnel = pd.DataFrame(
        [
            {
                "week": week,
                "prefix_source": "deployment_traffic",
                "rule": rule,
                "turns": turns + int(rng.integers(-40, 40)),
                "order": i,
            }
            for week in WEEKS
            for i, (rule, turns) in enumerate(rules)
        ]
        + [
            {"week": week, "prefix_source": "challenging_prompts", "rule": rule, "turns": turns, "order": i}
            for week in WEEKS
            for i, (rule, turns) in enumerate([("near_duplicate", 8), ("not_sampled", 192), ("sampled", 200)])
        ]
    )
    scored = fake_estimates.with_calls(pd.DataFrame(calibration))
    sealed = fake_estimates.with_variants(pd.DataFrame(forecasts))
    if unobserved:
        scored = scored[scored["model"] != models[-1]].reset_index(drop=True)
    marts = {
        "rate_calibration": rate_calibration(MODELS[1:]),
        "directional_accuracy": pd.DataFrame(
            {
                "model": MODELS[1:],
                "right": [10, 9, 11],
                "called": [13, 13, 12],
                "beats_no_change": [True, False, True],
            }
        ),
        "taxonomy_coverage": pd.DataFrame(
            {
                "model": MODELS[1:],
                "novel_rate_per_100k": [0.0, 3.3, 0.0],
                "novel_rate_upper_per_100k": [5.0, 9.1, 5.0],
            }
        ),
    }
    return ReportContent(
        study="Sandbox study, spring 2026",
        generated_at=datetime(2026, 11, 24, 6, 30, tzinfo=UTC),
        sandbox=sandbox,
        calibration=scored,
        summary=calibration_summary(scored, noise_draws=100),
        forecasts=sealed,
        comparison=fake_estimates.comparison(sealed),
        corrected=fake_estimates.corrected(sealed),
        shift=fake_estimates.shift(sealed),
        variants=fake_estimates.variant_scores(scored),
        decomposition=fake_estimates.decomposition(scored),
        tests=fake_estimates.tests(kind, sandbox, stack),
        registry=fake_estimates.registry(sealed, kind),
        **examination(models, sandbox),
        k_anonymity=5,
        baselines=baselines(scored),
        rates_by_week=pd.DataFrame(weekly),
        funnel=funnel,
        marts=marts,
        measurement_stack={
            "taxonomy": "default-20, version 3",
            "grader": "sandbox-grader, all categories in one call",
            "de-identification": "rules 2, keyed surrogates",
            "sampling": "uniform over eligible user turns",
            "stack_hash": stack,
        },
        data_quality=quality(),
        gates=[
            {
                "week": week,
                "suite": "deidentified_prefixes",
                "success": week != WEEKS[4],
                "suite_version": "2026.1",
            }
            for week in WEEKS
        ],
    )
