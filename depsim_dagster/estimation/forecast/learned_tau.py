"""The forecast error tau of each category, learned before sealing from what is known by then.

tau is the SD of log(production rate / simulated rate). It is not one number: where replay lacks a live tool, a category is
wrong by the same large factor in every release, and others are not wrong at all. So every category has a tau of its own,
and the taus of all categories come from one unknown distribution g, learned along with them (empirical Bayes; Efron 2016,
Biometrika 103:1-20). A category that was wrong gets a wide prediction, one that was right a narrow one, and one without a
past gets g. With scorecards of one common tau, g has one peak, and the categories share it.

Evidence. (1) Scored forecasts of earlier candidates and studies: the count that was observed has the likelihood of
`predictive`, exact at zero events. (2) Y→Y against Y's production on the forecast weeks: the environment alone, of which the
variance is an unknown share of tau squared (`ENVIRONMENT_SHARES`); a large environment error says that tau is at least about
that, a small one says less. (3) A weak prior that is worth `PRIOR_CATEGORIES` categories and predicts as the study's `tau`.

The categories of one model share an environment: their errors may move together, and twenty of them are then one draw
rather than twenty. The correlation is estimated (random effects of models, normal approximation), and g counts every
category as 1/(1 + (m - 1) E[rho**2]) of one, m the categories a model, the design effect of a variance under correlation
rho. One or two past releases cannot show how far an error shared by all categories goes: there the prediction rests on the
prior and may be too narrow.

Not here: the tau of past forecasts themselves with its likelihood interval (`tau`), and reading scorecards (registry).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from depsim_dagster.estimation.forecast.predictive import log_predictive
from depsim_dagster.estimation.inputs import as_counts, require_columns, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

PAIR_COLUMNS = ("model", "category", "forecast_k", "forecast_n", "observed_k", "observed_n")
PRIOR_CATEGORIES = 1.0
PRIOR_FREEDOM = 4  # half-t: less than a half-normal's pull on a tau that is many times the prior's
GRID = np.concatenate([[0.0], np.geomspace(0.01, 8.0, 48)])
ENVIRONMENT_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
CORRELATIONS = np.linspace(0.0, 0.95, 20)
COMPARABLE_EVENTS = 10  # below, a log ratio is not normal


@dataclass(frozen=True, eq=False)
class LearnedTau:
    """tau of every category asked for, and what it rests on.

    `categories` is indexed by category, with the columns tau, lower, upper: `tau` is the SD of the normal whose central
    `level` interval is that of the posterior's mixture, so that predicting with this one number covers as the mixture does;
    lower and upper are quantiles of the posterior. `pairs` scored forecasts, `environment_pairs` Y→Y ones. `correlation` is
    the root mean square of the correlation between the categories of a model; NaN without pairs.
    """

    categories: pd.DataFrame
    level: float
    prior: float
    pairs: int
    environment_pairs: int
    correlation: float


def learn_tau(
    categories: list[str],
    scored: pd.DataFrame,
    environment: pd.DataFrame,
    prior: float = 0.5,
    level: float = 0.95,
) -> LearnedTau:
    """Posterior of tau for each of `categories`.

    scored, environment: PAIR_COLUMNS, one row per model and category, as effective counts (divided by the design effect);
    `forecast_*` is the simulated side. Rows with a zero exposure or NaN are left out, and so are common behaviours (either
    rate from `COMMON_FROM_RATE` on). Without any row every tau is `prior`, with the prior's quantiles; a `prior` of 0
    is taken at its word. Raises EstimationError for missing columns or negative counts.
    """
    require_level(level)
    scored, environment = _usable(scored, "scored"), _usable(environment, "environment")
    base = _prior(prior, level)
    known = len(scored) + len(environment)
    if prior == 0 or not known:
        posterior = np.tile(base, (len(categories), 1))
        tau = np.full(len(categories), float(prior))
        return LearnedTau(_table(categories, posterior, tau, level), level, prior, 0, 0, float("nan"))
    evidence = _log_likelihoods(scored, environment)
    squared = _squared_correlation(pd.concat([scored, environment.assign(model="")]), base)
    models = scored["model"].nunique() + (len(environment) > 0)
    weight = 1 / (1 + (known / models - 1) * squared)
    likelihood = np.exp(evidence.sub(evidence.max(axis=1), axis=0))
    common = _distribution(likelihood.to_numpy(), base, weight)
    own = likelihood.reindex(categories).fillna(1.0).to_numpy() * common
    posterior = own / own.sum(axis=1, keepdims=True)
    table = _table(categories, posterior, equivalent_tau(posterior, level), level)
    return LearnedTau(table, level, prior, len(scored), len(environment), float(np.sqrt(squared)))


def equivalent_tau(weights: np.ndarray, level: float = 0.95) -> np.ndarray:
    """SD of the normal whose central `level` interval is that of the mixture of Normal(0, GRID) with these weights (one
    row each)."""
    low, high = np.zeros(len(weights)), np.full(len(weights), 10 * GRID[-1])
    for _ in range(60):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(GRID > 0, special.erf(middle[:, None] / (GRID * np.sqrt(2))), 1.0)
        short = (weights * inside).sum(axis=1) < level
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return high / stats.norm.ppf((1 + level) / 2)


def _usable(pairs: pd.DataFrame, name: str) -> pd.DataFrame:
    require_columns(pairs, PAIR_COLUMNS, name)
    counts = {column: pairs[column].to_numpy(dtype=float, na_value=np.nan) for column in PAIR_COLUMNS[2:]}
    k1, n1, k2, n2 = as_counts(**counts)
    rare = (k1 < COMMON_FROM_RATE * n1) & (k2 < COMMON_FROM_RATE * n2)
    return pairs[["model", "category"]].assign(**counts)[(n1 > 0) & (n2 > 0) & rare]


@lru_cache
def _prior(tau: float, level: float) -> np.ndarray:
    """Weights on GRID of the half-t whose mixture predicts as `tau`."""
    if tau == 0:
        return np.where(GRID == 0, 1.0, 0.0)
    edges = np.concatenate([[0.0], GRID[1:2] / 2, np.sqrt(GRID[1:-1] * GRID[2:]), [np.inf]])

    def weights(log_scale: float) -> np.ndarray:
        return np.diff(2 * stats.t.cdf(edges / np.exp(log_scale), PRIOR_FREEDOM) - 1)

    def excess(log_scale: float) -> float:
        return float(equivalent_tau(weights(log_scale)[None], level)[0] - tau)

    return weights(optimize.brentq(excess, np.log(1e-3), np.log(10.0)))


def _log_likelihoods(scored: pd.DataFrame, environment: pd.DataFrame) -> pd.DataFrame:
    """Log likelihood of every tau on GRID by category that has evidence (its pairs are independent given tau)."""

    def of(pairs: pd.DataFrame, taus: np.ndarray) -> np.ndarray:
        x, k, e1, e2 = (
            pairs[name].to_numpy()[:, None]
            for name in ("observed_k", "forecast_k", "forecast_n", "observed_n")
        )
        return log_predictive(x, k, e1, e2, taus)

    parts = []
    if len(scored):
        parts.append(pd.DataFrame(of(scored, GRID), index=scored["category"]))
    if len(environment):
        shares = [of(environment, np.sqrt(share) * GRID) for share in ENVIRONMENT_SHARES]
        mean = special.logsumexp(shares, axis=0) - np.log(len(shares))
        parts.append(pd.DataFrame(mean, index=environment["category"]))
    return pd.concat(parts).groupby(level=0, sort=True).sum()


def _distribution(likelihood: np.ndarray, base: np.ndarray, weight: float) -> np.ndarray:
    """g: the distribution of the categories' taus, the mode under Dirichlet(1 + PRIOR_CATEGORIES * base), by EM.

    The objective is concave in g, so where the iteration starts does not matter.
    """
    g = base.copy()
    for _ in range(500):
        own = likelihood * g
        share = (own / own.sum(axis=1, keepdims=True)).sum(axis=0)
        new = (PRIOR_CATEGORIES * base + weight * share) / (PRIOR_CATEGORIES + weight * len(likelihood))
        if np.abs(new - g).sum() < 1e-6:
            break
        g = new
    return g


def _squared_correlation(pairs: pd.DataFrame, base: np.ndarray) -> float:
    """Posterior mean of rho**2, rho the correlation of the log errors within a model.

    log(observed / forecast) of a model's categories ~ Normal(0, diag(sampling variances) + tau**2 ((1 - rho) I + rho
    11')), rho uniform on CORRELATIONS, tau of the prior on GRID; the inverse and the determinant by Sherman-Morrison. Where
    no model has two comparable categories it is the prior's mean.
    """
    comparable = pairs[pairs["forecast_k"] + pairs["observed_k"] >= COMPARABLE_EVENTS]
    tau2, rho = GRID[:, None, None] ** 2, CORRELATIONS[None, :, None]
    total = np.log(np.maximum(base, 1e-300))[:, None] + np.zeros((1, len(CORRELATIONS)))
    for _, rows in comparable.groupby("model"):
        k1, n1, k2, n2 = (rows[name].to_numpy() for name in PAIR_COLUMNS[2:])
        y = np.log((k2 + 0.5) / (k1 + 0.5) * n1 / n2)
        d = 1 / (k1 + 0.5) + 1 / (k2 + 0.5) + (1 - rho) * tau2
        shared = (rho * tau2)[..., 0]
        spread = 1 + shared * (1 / d).sum(axis=2)
        total += -0.5 * (
            np.log(d).sum(axis=2)
            + np.log(spread)
            + (y**2 / d).sum(axis=2)
            - shared * ((y / d).sum(axis=2) ** 2) / spread
        )
    weight = np.exp(total - total.max()).sum(axis=0)
    return float((weight * CORRELATIONS**2).sum() / weight.sum())


def _table(categories: list[str], posterior: np.ndarray, tau: np.ndarray, level: float) -> pd.DataFrame:
    """tau with the posterior's quantiles; the ends of GRID's cells are not resolved further."""
    cumulative = np.cumsum(posterior, axis=1)
    lower = GRID[np.argmax(cumulative >= (1 - level) / 2, axis=1)]
    upper = GRID[np.argmax(cumulative >= (1 + level) / 2 - 1e-12, axis=1)]
    index = pd.Index(categories, name="category")
    return pd.DataFrame({"tau": tau, "lower": np.minimum(lower, tau), "upper": np.maximum(upper, tau)}, index)
