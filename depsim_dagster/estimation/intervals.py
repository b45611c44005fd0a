"""Confidence limits of a weighted, clustered count: the gamma method for rare events, Korn-Graubard for common
ones.

`gamma_limits` takes the estimate y = sum of cluster totals z_c, its variance estimate v = sum of z_c**2, and wm
the weight that one more event would carry. It is Poisson: at a rate p it is 1/sqrt(1 - p) too wide, 2.6 % at
`COMMON_FROM_RATE` and sevenfold at 98 %. From that rate on `korn_graubard_limits` takes over. Wald and bootstrap
limits are not offered: below an effective count of about 100 they undercover. This module knows nothing of
tables or categories; `rates` brings the weights.

Sources: Garwood 1936 (Biometrika 28:437); Clopper and Pearson 1934 (Biometrika 26:404); Korn and Graubard 1998
(Survey Methodology 24:193-201); Fay and Feuer 1997 (Stat Med 16:791-801); Fay and Kim 2017 (Biom J 59:644-660).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_level

# The one rule for "common": from here on counts are binomial, below they are Poisson, in every estimator.
COMMON_FROM_RATE = 0.05
MIDP_FROM_EFFECTIVE_COUNT = 10.0
METHODS = ("auto", "exact", "midp")


def zero_event_upper(wm: ArrayLike, level: float = 0.95) -> np.ndarray:
    """Upper bound -ln(1 - level) * wm for a sum in which no event was seen: the "3/N" of the rule of three.

    It is one-sided at `level` (there is no lower side) and equals the two-sided mid-P limit at zero events.
    With wm = 1/N: at a rate above the bound, N independent draws show no event with a probability below 1 -
    level.

    Being one-sided, it costs the two-sided interval coverage where the truth lies just above it: with equal weights and
    3.0 to 3.45 expected events 93.8 to 94.5 % in place of 95 %. The two-sided bound (-ln((1 - level)/2) * wm, 3.69/N,
    `gamma_limits` with method='exact') has no such place.
    """
    require_level(level)
    (wm,) = as_counts(wm=wm)
    return -np.log1p(-level) * wm


def gamma_limits(
    y: ArrayLike, v: ArrayLike, wm: ArrayLike, level: float = 0.95, method: str = "auto"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two-sided gamma limits of a weighted sum of events, element by element.

    y: the estimate (any unit); v: its variance estimate (unit squared); wm: weight of one more event (unit),
    usually the largest weight. Arrays broadcast. Returns (lower, upper, method used: 'exact', 'midp' or
    'zero_events').

    'exact' (Fay and Feuer 1997, equations 5 and 6): lower is the alpha/2 quantile of Gamma(shape y**2/v,
    scale v/y), 0 at y = 0; upper the 1 - alpha/2 quantile of Gamma((y+wm)**2/(v+wm**2), (v+wm**2)/(y+wm)).
    Equal weights w give w times Garwood's Poisson limits. 'midp' (Fay and Kim 2017): quantiles of the 50:50
    mixture of those two gammas. 'auto': exact where the effective count y**2/v is below 10, mid-P above,
    `zero_event_upper` where y = 0.

    Raises EstimationError for negative input, v = 0 with y > 0, or an unknown method. NaN in, NaN out.
    """
    require_level(level)
    if method not in METHODS:
        raise EstimationError(f"method={method!r}: choose one of {METHODS}.")
    y, v, wm = as_counts(y=y, v=v, wm=wm)
    if np.any((y > 0) & (v <= 0)):
        raise EstimationError(
            "v: variance 0 beside a positive estimate; the gamma limits need v > 0 where y > 0."
        )
    alpha = 1.0 - level
    some = y > 0
    safe_y, safe_v = np.where(some, y, 1.0), np.where(some, v, 1.0)
    shape_low, scale_low = safe_y * (safe_y / safe_v), safe_v / safe_y
    with np.errstate(invalid="ignore", divide="ignore"):
        shape_high, scale_high = (y + wm) ** 2 / (v + wm**2), (v + wm**2) / (y + wm)

    if method == "auto":
        used = np.where(
            ~some, "zero_events", np.where(shape_low < MIDP_FROM_EFFECTIVE_COUNT, "exact", "midp")
        )
    else:
        used = np.full(y.shape, method, dtype="<U11")

    lower = scale_low * special.gammaincinv(shape_low, alpha / 2)
    upper = scale_high * special.gammaincinv(shape_high, 1 - alpha / 2)
    # At y = 0 the lower gamma is a point mass at zero, so the mixture reaches 1 - alpha/2 where the upper one
    # reaches 1 - alpha.
    at_zero = scale_high * special.gammaincinv(shape_high, 1 - alpha)
    mixed = (used == "midp") & some
    if np.any(mixed):
        parts = [part[mixed] for part in (shape_low, scale_low, shape_high, scale_high)]
        lower = np.where(mixed, 0.0, lower)
        lower[mixed] = _mixture_quantile(alpha / 2, *parts)
        upper = np.where(mixed, 0.0, upper)
        upper[mixed] = _mixture_quantile(1 - alpha / 2, *parts)
    upper = np.where(~some & (used != "exact"), at_zero, upper)
    lower = np.where(some, lower, np.where(np.isnan(y), np.nan, 0.0))
    return lower, upper, used


def korn_graubard_limits(
    rate: ArrayLike, n: ArrayLike, design_effect: ArrayLike, clusters: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided Clopper-Pearson limits (fractions) of a rate on the effective number of turns, element by element.

    rate: the weighted estimate, 0 to 1; n: turns; design_effect: its variance relative to n independent turns;
    clusters: independent units (users). The effective number is n* = n / design_effect times (t_{n-1} /
    t_{clusters-1})**2, t the 1 - alpha/2 quantiles of Student's t (few users know the variance poorly); with
    x* = rate * n* the limits are the beta quantiles B(alpha/2; x*, n* - x* + 1) and B(1 - alpha/2; x* + 1, n* -
    x*) (Korn and Graubard 1998, equations 2 and 3, there written with F). Independent turns of equal weight give
    Clopper-Pearson. At rate 1 the upper limit is 1 and the lower one (alpha/2)**(1/n*), two-sided still; at rate 0
    the mirror image. NaN in, NaN out; NaN where n = 0.
    """
    require_level(level)
    rate, n, d, clusters = as_counts(rate=rate, n=n, design_effect=design_effect, clusters=clusters)
    if np.any(rate > 1) or np.any(d == 0):
        raise EstimationError(
            "rate, design_effect: a rate is a fraction up to 1, and a design effect is above 0."
        )
    alpha = 1.0 - level
    turns_t = special.stdtrit(np.maximum(n - 1, 1), 1 - alpha / 2)
    users_t = special.stdtrit(np.maximum(np.minimum(clusters, n) - 1, 1), 1 - alpha / 2)
    n = np.where(n > 0, n / d * (turns_t / users_t) ** 2, np.nan)
    x = rate * n
    with np.errstate(invalid="ignore"):
        lower = np.where(rate > 0, special.betaincinv(x, n - x + 1, alpha / 2), 0.0 * n)
        upper = np.where(rate < 1, special.betaincinv(x + 1, n - x, 1 - alpha / 2), 1.0 + 0.0 * n)
    return lower, upper


def _mixture_quantile(
    q: float, shape_1: np.ndarray, scale_1: np.ndarray, shape_2: np.ndarray, scale_2: np.ndarray
) -> np.ndarray:
    """Quantile of the 50:50 mixture of two gammas by bisection between the components' quantiles."""
    first = scale_1 * special.gammaincinv(shape_1, q)
    second = scale_2 * special.gammaincinv(shape_2, q)
    low, high = np.minimum(first, second), np.maximum(first, second)
    for _ in range(64):
        middle = 0.5 * (low + high)
        mass = 0.5 * (
            special.gammainc(shape_1, middle / scale_1) + special.gammainc(shape_2, middle / scale_2)
        )
        below = mass < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
