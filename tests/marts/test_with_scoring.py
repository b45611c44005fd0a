"""The marts over what `score_forecast` really returns: the data tests hold SQL to the Python definitions."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from depsim_dagster.estimation.calibration.scoring import score_forecast
from depsim_dagster.estimation.calibration.summary import calibration_summary
from depsim_dagster.marts.dbt_build import build_marts

from .literal_lake import forecast_row


def rates(prefix: str, k: int, n: int, weight: float = 1.0) -> dict:
    return {f"{prefix}k": k, f"{prefix}n": n, f"{prefix}rate_per_100k": 1e5 * weight * k / n if n else None}


@pytest.fixture
def scored_files(tmp_path):
    """Unequal inclusion probabilities (so rate * n is not k), one category without outcome, one without
    predecessor."""
    forecasts, observed = [], []
    for category, forecast_k, observed_k, observed_n, old_n in [
        ("hate", 12, 30, 900, 1000),
        ("bio_risk", 6, 9, 900, 1000),
        ("fabricated_facts", 0, 0, 0, 1000),
        ("novel_other", 0, 2, 900, 0),
    ]:
        forecasts.append(
            {
                **forecast_row("v2", category, "misalignment"),
                **rates("", forecast_k, 1000, weight=1.5),
                **rates("predecessor_sim_", 3, 1000, weight=1.5),
                **rates("predecessor_production_", 4 if old_n else 0, old_n, weight=0.8),
                "lower_per_100k": 0.0,
                "upper_per_100k": 9e3,
                "design_effect": 0.25 if category == "bio_risk" else 1.2,  # a cascade's
                "tau": 0.5,
                "level": 0.95,
            }  # fmt: skip
        )
        observed.append(
            {
                **rates("", observed_k, observed_n, weight=0.7),
                "model": "v2",
                "source": "production",
                "category": category,
                "missing": 1,
                "design_effect": 0.4 if category == "bio_risk" else 1.1,
                "lower_per_100k": 0.0,
                "upper_per_100k": 9e3,
                "stack_hash": "stack-1",
            }  # fmt: skip
        )
    calibration = score_forecast(pd.DataFrame(forecasts), pd.DataFrame(observed), noise_draws=50)
    files = {
        "registered_forecasts": pa.Table.from_pylist(forecasts),
        "post_release_calibration": pa.Table.from_pandas(calibration, preserve_index=False),
        "calibration_summary": pa.Table.from_pandas(
            calibration_summary(calibration, noise_draws=50), preserve_index=False
        ),
    }
    for table, content in files.items():
        parquet.write_table(content, tmp_path / f"{table}.parquet")
    return calibration, {table: [tmp_path / f"{table}.parquet"] for table in files}


def test_scored_forecasts_pass_every_data_test(scored_files, tmp_path):
    calibration, files = scored_files
    built = build_marts(files, tmp_path / "marts")
    rows = parquet.read_table(built.files["rate_calibration"]).to_pylist()
    (pooled,) = [row for row in rows if row["candidate"] == "all" and row["category_group"] == "all"]
    comparable = calibration[calibration["comparable"]]
    assert pooled["comparable_categories"] == len(comparable) == 2
    assert pooled["sme_median"] == pytest.approx(comparable["sme"].median())
    assert pooled["log_rate_pearson_r"] == pytest.approx(1)
    both = calibration.dropna(subset=["log_score", "baseline_log_score"])
    assert pooled["log_score_mean"] == pytest.approx(both["log_score"].mean())
    assert pooled["baseline_log_score_mean"] == pytest.approx(both["baseline_log_score"].mean())
