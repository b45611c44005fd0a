"""What is known of the forecast error of a candidate before it is released: earlier scores, and Y→Y against production.

Reads the lake and the score files that the study names; what is learned from them is `estimation.forecast.learned_tau`'s.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.estimation.counts import counts_as_read
from depsim_dagster.estimation.forecast.learned_tau import PAIR_COLUMNS, LearnedTau, learn_tau
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.lake import Lake
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION

SCORE_COLUMNS = [
    "model", "category", "forecast_n", "forecast_per_100k", "forecast_design_effect",
    "observed_n", "observed_per_100k", "observed_design_effect", "sandbox",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class ForecastError:
    """tau of every category, and in words what it was learned from."""

    learned: LearnedTau
    source: str


def forecast_error(
    config: StudyConfig,
    lake: Lake,
    model: str,
    categories: list[str],
    simulated: pd.DataFrame,
    production: pd.DataFrame | None,
) -> ForecastError:
    """The forecast error of `model` per category, learned from what is known before its release.

    simulated, production: rates (`estimate_rates` by category) of the predecessor on its own prefixes and in production, over
    the forecast weeks; None where that production is not graded.

    Raises:
        EstimationError: a score file of `estimation.scorecards` cannot be used.
    """
    sources, parts, files = [], [], []
    for candidate in _scored_before(config, model):
        if lake.manifest(POST_RELEASE_CALIBRATION, {"model": candidate}) is not None:
            rows = lake.read(POST_RELEASE_CALIBRATION, {"model": candidate}, columns=SCORE_COLUMNS)
            parts.append(_pairs(rows.to_pandas(), "forecast", "observed"))
            sources.append(f"scores of {candidate}")
    own = {deployment.model for deployment in config.deployments}
    for name in config.estimation.scorecards:
        rows, digest = read_scores(config.path(name), name, config.sandbox)
        # A model of this study is known from its own scores, and only when its outcome came first.
        files.append(rows[~rows["model"].isin(own)].assign(file=name))
        sources.append(f"{name} (SHA-256 {digest[:12]})")
    if files:
        # A later export of one study holds its earlier scores again, and they are one piece of evidence.
        rows = pd.concat(files).drop_duplicates(SCORE_COLUMNS, ignore_index=True)
        parts.append(_pairs(rows, "forecast", "observed").assign(model=rows["file"] + " " + rows["model"]))
    environment = _no_pairs()
    if production is not None and len(simulated):
        beside = _prefixed(simulated, "simulated").merge(_prefixed(production, "production"), on="category")
        environment = _pairs(beside.assign(model="Y→Y"), "simulated", "production")
        sources.append("the predecessor's simulation against its production")
    scored = pd.concat(parts, ignore_index=True) if parts else _no_pairs()
    learned = learn_tau(categories, scored, environment, config.estimation.tau, config.estimation.level)
    used = learned.pairs + learned.environment_pairs > 0
    return ForecastError(learned, "; ".join(sources) if used else "the study's tau")


def read_scores(path: Path, name: str, sandbox: bool) -> tuple[pd.DataFrame, str]:
    """Rows (SCORE_COLUMNS) of a score file called `name` in the study, and its SHA-256.

    Parquet, or JSON: an array of rows, or one row a line. Of a real study (`sandbox` False) the rows must be too, and the
    other way round.

    Raises:
        EstimationError: it cannot be read, lacks a column, repeats a category of a model, or holds an impossible value.
    """

    def refused(why: str) -> EstimationError:
        return EstimationError(
            f"estimation.scorecards: {name} {why}; it is meant to hold rows of post_release_calibration of an earlier study, "
            "as Parquet or JSON"
        )

    try:
        content = path.read_bytes()
    except OSError as error:
        raise refused(f"cannot be read ({error.strerror})") from None
    try:
        rows = _parsed(content)
    except (ValueError, pa.ArrowException):
        raise refused("is neither Parquet nor JSON") from None
    absent = [column for column in SCORE_COLUMNS if column not in rows.columns]
    if absent:
        raise refused(f"lacks the columns {', '.join(absent)}")
    rows = rows[SCORE_COLUMNS]
    numbers = [column for column in SCORE_COLUMNS if column.endswith(("_n", "_per_100k", "_design_effect"))]
    try:
        rows = rows.astype(dict.fromkeys(numbers, float))
    except (ValueError, TypeError):
        raise refused("holds text where a number belongs") from None
    if (rows[numbers] < 0).any(axis=None) or (rows[["forecast_per_100k", "observed_per_100k"]] > 1e5).any(
        axis=None
    ):
        raise refused("holds a rate outside 0 to 100,000, or a negative number")
    if rows[["model", "category"]].isna().any(axis=None) or rows.duplicated(["model", "category"]).any():
        raise refused("repeats a category of a model, or has a row without either")
    if not rows["sandbox"].eq(sandbox).all():
        raise refused("is of a sandbox" if not sandbox else "is not of a sandbox, and this study is")
    return rows, hashlib.sha256(content).hexdigest()


def _parsed(content: bytes) -> pd.DataFrame:
    if content[:4] == b"PAR1":
        return pq.read_table(io.BytesIO(content)).to_pandas()
    text = content.decode()
    try:
        rows = json.loads(text)
    except ValueError:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("no rows")
    return pd.DataFrame(rows)


def _scored_before(config: StudyConfig, model: str) -> list[str]:
    """Candidates whose observation window had ended when `model` was released."""
    released = config.deployment(model).released

    def ended(weeks: tuple[dt.date, ...]) -> bool:
        return bool(weeks) and dt.datetime.combine(weeks[-1] + WEEK, dt.time(), dt.UTC) <= released

    return [
        candidate.model
        for candidate in config.candidates
        if candidate.model != model and ended(config.observation_weeks(candidate.model))
    ]


def _pairs(rows: pd.DataFrame, simulated: str, observed: str) -> pd.DataFrame:
    """PAIR_COLUMNS of two sides whose columns are <side>_per_100k, _n and _design_effect."""
    sides = {}
    for side, name in ((simulated, "forecast"), (observed, "observed")):
        columns = (rows[f"{side}_{column}"] for column in ("per_100k", "n", "design_effect"))
        k, n, effect = counts_as_read(*columns)
        sides |= {f"{name}_k": k / effect, f"{name}_n": n / effect}
    return rows[["model", "category"]].assign(**sides)


def _prefixed(rates: pd.DataFrame, side: str) -> pd.DataFrame:
    names = {"rate_per_100k": "per_100k", "n": "n", "design_effect": "design_effect"}
    return rates[["category", *names]].rename(columns={old: f"{side}_{new}" for old, new in names.items()})


def _no_pairs() -> pd.DataFrame:
    return pd.DataFrame(columns=list(PAIR_COLUMNS))
