"""The variants of a forecast: sealed beside the raw pooled rate, and scored like it."""

import datetime as dt

import pyarrow as pa
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.estimation.forecast.predictive import pit, prediction_interval
from depsim_dagster.estimation.shift.covariates import TOOLS
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows
from depsim_dagster.registry.forecast_variants import variant_calibration_rows, variant_summary
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
from depsim_dagster.registry.seal import seal

TODAY = dt.date(2026, 1, 1)
FEW = {"rude": (2, 100), "sly": (0, 100), "wrong": (4, 100)}
MANY = {"rude": (8, 100), "sly": (0, 100), "wrong": (12, 100)}


@pytest.fixture
def sealed(study, simulated):
    simulated(study, "2026-01-05", "v2", ("v1", FEW))
    simulated(study, "2026-01-12", "v2", ("v1", MANY))
    return seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))


@pytest.fixture
def scored(study, sealed, observed):
    observed(study, "2026-01-19", ("v2", MANY))
    study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))
    return variant_calibration_rows(study.lake, "v2")


def test_the_newest_week_counts_most_and_the_raw_rate_stays_the_forecast(sealed):
    rude, sly, _ = sealed.to_pylist()
    assert rude["rate_per_100k"] == pytest.approx(5_000)
    (weeks,) = rude["variants"]
    assert weeks["variant"] == "weeks" and weeks["note"] == "discount 0.5 a week over 2 weeks"
    assert weeks["rate_per_100k"] == pytest.approx(1e5 * 9 / 150) and weeks["n"] == pytest.approx(150)
    assert weeks["lower_per_100k"] < 6_000 < weeks["upper_per_100k"]
    assert sly["variants"][0]["rate_per_100k"] == 0 < sly["variants"][0]["upper_per_100k"]


def test_the_study_may_name_the_discount(study, simulated, open_study):
    simulated(study, "2026-01-05", "v2", ("v1", FEW))
    simulated(study, "2026-01-12", "v2", ("v1", MANY))
    rows = forecast_rows(open_study(estimation={"discount": 1.0}), "v2", TODAY)
    assert rows["variants"][0][0]["rate_per_100k"] == pytest.approx(rows["rate_per_100k"][0])


def test_every_variant_is_scored_against_the_same_outcome(study, sealed, scored):
    rows = scored.to_pylist()
    assert [(row["category"], row["variant"]) for row in rows[:2]] == [("rude", "pooled"), ("rude", "weeks")]
    main = {
        row["category"]: row for row in study.lake.read(POST_RELEASE_CALIBRATION, {"model": "v2"}).to_pylist()
    }
    shared = ("sme", "log_score", "predictive_log_score", "predicted_count_lower", "predicted_count_upper",
              "observed_in_prediction", "pit", "comparable", "forecast_per_100k", "observed_per_100k")  # fmt: skip
    for row in rows:
        if (
            row["variant"] == "pooled"
        ):  # the forecast itself has the score that post_release_calibration gives it
            assert {name: row[name] for name in shared} == pytest.approx(
                {name: main[row["category"]][name] for name in shared}
            )
    weeks = rows[1]
    a = 9.0
    assert weeks["forecast_n"] == pytest.approx(150) and weeks["forecast_design_effect"] == pytest.approx(1)
    # Closer to the outcome than the pooled rate, and said so.
    assert weeks["sme"] < rows[0]["sme"] and weeks["forecast_hash"] == sealed.to_pylist()[0]["forecast_hash"]
    expected = prediction_interval(a, 150, 100, 0.5, 0.95)
    assert (weeks["predicted_count_lower"], weeks["predicted_count_upper"]) == expected
    assert weeks["pit"] == pytest.approx(float(pit(8, a, 150, 100, 0.5)))


def test_the_summary_compares_the_variants(scored):
    table = variant_summary(scored.to_pandas()).set_index("variant")
    assert table["categories"].to_dict() == {"pooled": 3, "weeks": 3}
    assert table["median_sme"]["weeks"] < table["median_sme"]["pooled"]
    assert table["inside"].to_dict() == {"pooled": 3, "weeks": 3}


def test_a_category_without_a_turn_has_no_score(study, simulated, observed):
    nothing = {**MANY, "sly": (0, 0)}
    simulated(study, "2026-01-12", "v2", ("v1", nothing), missing=2)
    seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))
    observed(study, "2026-01-19", ("v2", nothing), missing=2)
    study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))
    sly = [row for row in variant_calibration_rows(study.lake, "v2").to_pylist() if row["category"] == "sly"]
    assert len(sly) == 2 and not any(row["comparable"] for row in sly)
    for name in (
        "sme",
        "log_score",
        "pit",
        "predicted_count_lower",
        "observed_in_prediction",
        "forecast_per_100k",
    ):
        assert {row[name] for row in sly} == {None}


def test_without_a_score_there_is_nothing_to_compare(study, sealed):
    with pytest.raises(LakeError, match=r"post_release_calibration\[model=v2\]: not published"):
        variant_calibration_rows(study.lake, "v2")


# ------------------------------------------------------------------------------------------------------------- reweighted


def shift_rows(target):
    """Turns with and without tools, half of each in the sample, and `target` with tools in the traffic that is forecast."""
    rows = [
        {
            "model": "v2",
            "deployment": "v1",
            "dimension": "tools",
            "value": value,
            "weighted_as": value,
            "sampled_turns": 50,
            "users": 50,
            "sampled_share": 0.5,
            "target_share": share,
            "target_users": 1000,
            "factor": share / 0.5,
            "weighted_share": share,
            "method": "post_stratified",
            "target_mix": "recent",
            "effective_n": 80.0,
            "effective_users": 80.0,
            "overlap": 1.0,
            "trimmed_share": 0.0,
            "trim": 8.0,
            "warning": None,
            "sandbox": False,
        }
        for value, share in zip(TOOLS, (1 - target, target), strict=True)
    ]
    return [{name: row[name] for name in TRAFFIC_SHIFT.schema.names if name in row} for row in rows]


def test_the_reweighted_rate_is_sealed_where_the_mix_is_known(study, simulated, observed):
    simulated(study, "2026-01-12", "v2", ("v1", {"rude": (20, 200), "sly": (0, 200), "wrong": (12, 200)}))
    plain = forecast_rows(study, "v2", TODAY)
    partition = {"week": "2026-01-12", "model": "v2"}
    labels = study.lake.read(GRADED_LABELS, partition).to_pandas()
    # `rude` lives where tools are on offer.
    labels["tools_offered"] = labels["turn_id"].str.rsplit("-", n=1).str[1].astype(int) < 100
    study.lake.write(GRADED_LABELS, partition, pa.Table.from_pandas(labels, schema=GRADED_LABELS.schema))
    study.lake.write(
        TRAFFIC_SHIFT, {"model": "v2"}, pa.Table.from_pylist(shift_rows(0.8), schema=TRAFFIC_SHIFT.schema)
    )
    rows = forecast_rows(study, "v2", TODAY)
    rude = rows["variants"][0]
    assert [variant["variant"] for variant in rude] == ["reweighted", "weeks"]
    assert (
        rude[0]["rate_per_100k"] == pytest.approx(16_000)
        and "post_stratified, target recent" in rude[0]["note"]
    )
    # The raw rate is the forecast still, and its interval knows that the traffic has moved.
    assert rows["rate_per_100k"].tolist() == plain["rate_per_100k"].tolist()
    assert rows["tau"][0] > plain["tau"][0] == 0.5 and rows["tau"][1] == 0.5
    assert ((rows["tau_lower"] <= rows["tau"]) & (rows["tau"] <= rows["tau_upper"])).all()
    assert rows["tau_lower"][0] > plain["tau_lower"][0] and rows["tau_upper"][1] == plain["tau_upper"][1]
    shifted = "the study's tau; widened by the shift of the traffic"
    assert rows["tau_source"].tolist() == [shifted, "the study's tau", shifted]
    # The reweighted rate has the shift in it: its prediction is not widened by it once more.
    seal(study.lake, "v2", rows)
    observed(study, "2026-01-19", ("v2", {"rude": (20, 200), "sly": (0, 200), "wrong": (12, 200)}))
    study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))
    pooled, reweighted, _ = variant_calibration_rows(study.lake, "v2").to_pylist()[:3]
    x, n, effect = 0.16 * 200, 200, reweighted["forecast_design_effect"]
    assert reweighted["pit"] == pytest.approx(float(pit(20, x, n, 200, 0.5, effect, 1.0)))
    assert pooled["pit"] == pytest.approx(float(pit(20, 20, 200, 200, rows["tau"][0])))
