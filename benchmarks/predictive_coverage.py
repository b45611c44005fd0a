"""How often the predictive interval holds the observed count, and how often a called direction is right.

    python benchmarks/predictive_coverage.py [--studies 200] [--error planted] [--floor] [--study]

Count-level studies of the sandbox world: the planted rates of its four models in production and, with the environment gap, in
replay; the grader's errors on both sides; then the product's own estimators from counts to sealed tau to score. Three releases
a study: the first forecast knows its tau alone, or Y→Y beside it; the later ones have the study's own scorecards, or those and
an earlier study's (`estimation.scorecards`). `--error` puts another forecast
error in the place of the planted gap, on the log scale with SD 0.5: `independent` of everything, `shared` by the categories
of a release, or `persistent` in a category over the releases.

`--floor` prints what a perfect simulator would score (median SME, 20 categories log-uniform in 1e-5 to 1e-2). `--study` runs a
small sandbox study (one candidate) over HTTP in a temporary folder with the environment gap switched off, and prints its median
SME beside its noise floor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from depsim_dagster.estimation.calibration.noise_floor import sme_noise_floor
from depsim_dagster.estimation.calibration.scoring import score_forecast
from depsim_dagster.estimation.comparison.ratio import jeffreys_rate, sme
from depsim_dagster.estimation.forecast.learned_tau import PAIR_COLUMNS, learn_tau
from depsim_dagster.estimation.intervals import gamma_limits
from depsim_dagster.sandbox.behaviour import RATES_PER_100K, REPLAY_FACTOR
from depsim_dagster.sandbox.phrasings import CATEGORIES, DISALLOWED_CONTENT
from depsim_dagster.sandbox.world import MODELS, World

ERRORS = ("planted", "independent", "shared", "persistent")
PRODUCTION = np.array([RATES_PER_100K[category] for category in CATEGORIES], dtype=float).T / 1e5
LOG_GAP = np.log([REPLAY_FACTOR.get(category, 1.0) for category in CATEGORIES])
ERROR_SD = 0.5
GAP = "lying_about_tools"
FLOORS = {10_000: 1.30, 65_000: 1.19, 100_000: 1.16, 250_000: 1.10, 1_300_000: 1.045}  # ESTIMATION.md
NONE = pd.DataFrame(columns=list(PAIR_COLUMNS))


def simulated_studies(
    studies: int, error: str = "planted", seed: int = 0, turns: tuple[float, float] = (4e3, 2e5)
) -> pd.DataFrame:
    """Scored rows of `studies` studies: score_forecast's columns with `study`, `release` and `knowledge` (`tau alone`,
    `Y→Y` or `scorecards`). turns: between which a study's window is, log-uniform."""
    scored = []
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        errors = _log_errors(error, rng)
        earlier, _ = _releases(
            "earlier", errors if error == "persistent" else _log_errors(error, rng), turns, rng
        )
        _, releases = _releases("", errors, turns, rng)
        past = NONE
        for release, counts in releases.items():
            own, environment = counts["pairs"], counts["environment"]
            if past is NONE:
                known = {"tau alone": (NONE, NONE), "Y→Y": (NONE, environment)}
            else:
                known = {
                    "own scorecards": (past, environment),
                    "earlier study's too": (pd.concat([earlier, past]), environment),
                }
            for knowledge, evidence in known.items():
                tau = learn_tau(list(CATEGORIES), *evidence).categories["tau"].to_numpy()
                rows = score_forecast(
                    _forecast(release, tau=tau, **counts["forecast"]), counts["observed"], noise_draws=1
                )
                scored.append(rows.assign(study=study, release=release, knowledge=knowledge))
            past = own if past is NONE else pd.concat([past, own])
    return pd.concat(scored, ignore_index=True)


def _releases(
    name: str, errors: np.ndarray, turns: tuple[float, float], rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[int, dict]]:
    """(scored pairs, what each release's forecast is made from) of one study of four models."""
    n = int(np.exp(rng.uniform(*np.log(turns))))
    replay, out = PRODUCTION * np.exp(errors), {}
    for release in range(1, len(MODELS)):
        sim, sim_old = _counts(replay[release], n, rng), _counts(replay[release - 1], n, rng)
        old, new = _counts(PRODUCTION[release - 1], n, rng), _counts(PRODUCTION[release], n, rng)
        out[release] = {
            "pairs": _pairs(f"{name} {MODELS[release]}", sim, new, n),
            "environment": _pairs("Y→Y", sim_old, old, n),
            "forecast": {"n": n, "sim": sim, "sim_old": sim_old, "old": old},
            "observed": _observed(release, n, new),
        }
    return pd.concat([counts["pairs"] for counts in out.values()]), out


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Per knowledge: pairs, share inside, the same where replay lacks the live tool and elsewhere; directions called with their
    share that is right, of all and of those that moved by 1.5 x, and the share of abstentions."""

    def of(part: pd.DataFrame) -> pd.Series:
        inside = part["observed_in_prediction"].astype(float)
        gap = part["category"] == GAP
        called, movers = (
            rows["called_correct"].dropna().astype(bool) for rows in (part, part[part["moved"].fillna(False)])
        )
        return pd.Series(
            {
                "pairs": len(part),
                "inside": inside.mean(),
                "inside, gap category": inside[gap].mean(),
                "inside, others": inside[~gap].mean(),
                "width": np.exp(_log_width(part).median()),
                "called": len(called),
                "right": called.mean(),
                "called movers": len(movers),
                "right movers": movers.mean(),
                "abstained": (part["called_direction"] == 0).mean(),
                "PIT SD": part["pit"].std() * np.sqrt(12),
            }
        )

    return pd.DataFrame({name: of(part) for name, part in rows.groupby("knowledge", sort=False)}).T


def noise_floors(draws: int = 400, seed: int = 0) -> pd.DataFrame:
    """Median SME of a perfect simulator by n, as simulated and by the product's bootstrap on one study's counts each."""
    rng = np.random.default_rng(seed)
    rows = []
    for n, stated in FLOORS.items():
        rate = 10 ** rng.uniform(-5, -2, (draws, 20))
        k1, k2 = rng.binomial(n, rate), rng.binomial(n, rate)
        error = sme(jeffreys_rate(k1, n), jeffreys_rate(k2, n))
        bootstrap = sme_noise_floor(k1[:5].ravel(), n, k2[:5].ravel(), n, 1000)[0]
        rows.append(
            {
                "n": n,
                "stated": stated,
                "mean of study medians": np.median(error, axis=1).mean(),
                "median of all": np.median(error),
                "bootstrap of counts": np.median(bootstrap),
            }
        )
    return pd.DataFrame(rows)


def sandbox_study(gap: float = 0.0, conversations: int = 2400, turns: int = 1000) -> pd.DataFrame:
    """Median SME of the sandbox's first candidate, forecast and scored over HTTP, beside its noise floor."""
    import dagster as dg

    from depsim_dagster.config import load_study
    from depsim_dagster.definitions import build_definitions
    from depsim_dagster.estimation.calibration.summary import calibration_summary
    from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
    from depsim_dagster.sandbox.demo import STUDY_FILE, WORLD_FILE
    from depsim_dagster.sandbox.traffic import write_traffic
    from depsim_dagster.study import Study
    from depsim_dagster.study_run import QUIET_LOGS, study_steps
    from depsim_dagster.templates import DEMO_TEMPLATE

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        world = World(
            conversations_per_week=conversations,
            environment_gap=gap,
            weeks=6,
            releases={"sandbox-v1": 0, "sandbox-v2": 3},
        )
        for _ in write_traffic(world, directory):
            pass
        world.save(directory / WORLD_FILE)
        text = DEMO_TEMPLATE.read_text(encoding="utf-8").replace(
            "turns_per_week: 1000", f"turns_per_week: {turns}"
        )
        (directory / STUDY_FILE).write_text(text, encoding="utf-8")
        study = Study(load_study(directory / STUDY_FILE))
        with dg.DagsterInstance.local_temp(folder) as instance:
            definitions = build_definitions(study.config, study.config.file)
            for step in study_steps(study.config, ["sandbox-v2"]):
                if step.job not in ("outcome", "report"):
                    definitions.resolve_job_def(step.job).execute_in_process(
                        instance=instance, partition_key=step.partition_key, run_config=QUIET_LOGS
                    )
        rows = pd.concat(
            [
                study.lake.read(POST_RELEASE_CALIBRATION, manifest.partition).to_pandas()
                for manifest in study.lake.published(POST_RELEASE_CALIBRATION)
            ]
        )
    summary = calibration_summary(rows, seed=study.config.seed)
    shown = summary[summary["category_group"] == "all"].assign(
        ratio=lambda table: table["sme_median"] / table["sme_median_noise_floor"],
        seconds=time.perf_counter() - start,
    )
    columns = [
        "model",
        "comparable_categories",
        "sme_median",
        "sme_median_noise_floor",
        "sme_median_noise_floor_p90",
    ]
    return shown[[*columns, "ratio", "seconds"]]


def _log_errors(error: str, rng: np.random.Generator) -> np.ndarray:
    """log(replay rate / production rate), models × categories."""
    if error == "planted":
        return np.tile(LOG_GAP, (len(MODELS), 1))
    sides = {
        "independent": (len(MODELS), len(CATEGORIES)),
        "shared": (len(MODELS), 1),
        "persistent": (1, len(CATEGORIES)),
    }
    return np.broadcast_to(ERROR_SD * rng.standard_normal(sides[error]), (len(MODELS), len(CATEGORIES)))


def _counts(rate: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Flags of the sandbox's grader among n turns."""
    world = World()
    flagged = rate * world.grader_sensitivity + (1 - rate) * (1 - world.grader_specificity)
    return rng.binomial(n, flagged).astype(float)


def _pairs(model: str, simulated: np.ndarray, observed: np.ndarray, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": model,
            "category": CATEGORIES,
            "forecast_k": simulated,
            "forecast_n": float(n),
            "observed_k": observed,
            "observed_n": float(n),
        }
    )


def _rates(k: np.ndarray, n: int) -> dict[str, np.ndarray]:
    lower, upper, _ = gamma_limits(k, k, 1.0)
    scale = 1e5 / n
    return {
        "k": k,
        "n": n,
        "rate_per_100k": k * scale,
        "lower_per_100k": lower * scale,
        "upper_per_100k": upper * scale,
    }


def _forecast(
    release: int, *, n: int, sim: np.ndarray, sim_old: np.ndarray, old: np.ndarray, tau: np.ndarray
) -> pd.DataFrame:
    beside = {
        f"predecessor_{side}_{name}": value
        for side, k in (("sim", sim_old), ("production", old))
        for name, value in (("k", k), ("n", n), ("rate_per_100k", k * 1e5 / n))
    }
    return pd.DataFrame(
        {
            "model": MODELS[release],
            "deployment": MODELS[release - 1],
            "category": CATEGORIES,
            "category_group": [
                "disallowed_content" if category in DISALLOWED_CONTENT else "misalignment"
                for category in CATEGORIES
            ],
            **_rates(sim, n),
            **beside,
            "predecessor_production_design_effect": 1.0,
            "design_effect": 1.0,
            "tau": tau,
            "level": 0.95,
            "kind": "retrospective",
            "stack_hash": "counts",
            "forecast_hash": "counts",
            "sandbox": True,
        }
    )


def _observed(release: int, n: int, new: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": MODELS[release],
            "source": "production",
            "category": CATEGORIES,
            **_rates(new, n),
            "missing": 0,
            "design_effect": 1.0,
            "stack_hash": "counts",
        }
    )


def _log_width(part: pd.DataFrame) -> pd.Series:
    """log(upper / lower) of the predicted counts, half an event added."""
    return np.log(
        (part["predicted_count_upper"].astype(float) + 0.5)
        / (part["predicted_count_lower"].astype(float) + 0.5)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--error", choices=ERRORS, action="append", help="default: planted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--study", action="store_true")
    parser.add_argument("--gap", type=float, default=0.0, help="environment gap of --study")
    options = parser.parse_args()
    with pd.option_context(
        "display.width", 160, "display.max_columns", None, "display.float_format", "{:.3f}".format
    ):
        for error in options.error or ([] if options.floor or options.study else ["planted"]):
            start = time.perf_counter()
            rows = simulated_studies(options.studies, error, options.seed)
            print(f"{error} error, {options.studies} studies, {time.perf_counter() - start:.0f} s")
            print(coverage(rows), "\n")
        if options.floor:
            print(noise_floors(), "\n")
        if options.study:
            print(sandbox_study(options.gap))


if __name__ == "__main__":
    main()
