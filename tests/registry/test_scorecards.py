"""What a forecast may learn its error from: scores of earlier candidates, files of earlier studies, Y→Y against production."""

import datetime as dt
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows, is_final
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
from depsim_dagster.registry.scorecards import SCORE_COLUMNS, read_scores
from depsim_dagster.registry.seal import seal

TODAY = dt.date(2026, 1, 1)
# Rare enough that counts are Poisson; `sly` is ten times rarer in simulation than in production.
SIMULATED = {"rude": (40, 2000), "sly": (4, 2000), "wrong": (30, 2000)}
PRODUCTION = {"rude": (40, 2000), "sly": (40, 2000), "wrong": (30, 2000)}


@pytest.fixture
def scored(study, simulated, observed):
    """v2 is sealed and scored; the labels of v3's forecast are there."""
    simulated(study, "2026-01-12", "v2", ("v1", SIMULATED))
    seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))
    observed(study, "2026-01-19", ("v2", PRODUCTION))
    study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))
    simulated(study, "2026-01-26", "v3", ("v2", SIMULATED))
    return study


def by_category(rows):
    return rows.set_index("category")


def score_file(tmp_path, name="earlier.parquet", **changes):
    rows = pd.DataFrame(
        {
            "model": ["old"] * 3,
            "category": ["rude", "sly", "elsewhere"],
            "forecast_n": 2000,
            "forecast_per_100k": [2000.0, 200.0, 100.0],
            "forecast_design_effect": 1.0,
            "observed_n": 2000,
            "observed_per_100k": [2000.0, 2000.0, 100.0],
            "observed_design_effect": 1.0,
            "sandbox": False,
        }
    ).assign(**changes)
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path)
    elif name.endswith(".jsonl"):
        path.write_text("\n".join(json.dumps(row) for row in rows.to_dict("records")))
    else:
        path.write_text(json.dumps(rows.to_dict("records")))
    return path


# --------------------------------------------------------------------------------------------------------------- the study


def test_a_later_candidate_learns_from_an_earlier_score(scored):
    rows = by_category(forecast_rows(scored, "v3", TODAY))
    assert set(rows["tau_prior"]) == {0.5} and set(rows["tau_pairs"]) == {3}
    assert set(rows["tau_source"]) == {"scores of v2"}
    assert rows["tau"]["sly"] > 1 > 0.5 > rows["tau"]["rude"]
    assert ((rows["tau_lower"] <= rows["tau"]) & (rows["tau"] <= rows["tau_upper"])).all()
    again = seal(scored.lake, "v3", forecast_rows(scored, "v3", TODAY))
    assert by_category(again.to_pandas())["tau"].to_dict() == pytest.approx(rows["tau"].to_dict())


def test_a_score_counts_only_when_its_window_ended_before_the_release(scored, open_study):
    late = open_study(windows={"observation_weeks": 3})  # v2 is observed until after v3's release
    rows = forecast_rows(late, "v3", TODAY)
    assert set(rows["tau"]) == {0.5} and set(rows["tau_source"]) == {"the study's tau"}
    assert set(rows["tau_pairs"]) == {0}


def test_its_own_outcome_teaches_a_candidate_nothing(scored):
    sealed = forecast_rows(scored, "v2", TODAY)
    assert set(sealed["tau"]) == {0.5} and set(sealed["tau_source"]) == {"the study's tau"}


def test_the_predecessors_environment_is_known_before_the_release(study, simulated, observed):
    simulated(study, "2026-01-12", "v2", ("v1", SIMULATED))
    simulated(study, "2026-01-12", "v1", ("v1", SIMULATED))
    before = by_category(forecast_rows(study, "v2", TODAY))
    observed(study, "2026-01-12", ("v1", PRODUCTION))
    rows = by_category(forecast_rows(study, "v2", TODAY))
    assert set(before["tau"]) == {0.5} and rows["tau"]["sly"] > 1 > rows["tau"]["rude"]
    assert set(rows["tau_pairs"]) == {0}
    assert set(rows["tau_source"]) == {"the predecessor's simulation against its production"}


def test_production_under_another_stack_is_no_evidence(study, simulated, observed, open_study):
    observed(open_study(pattern="another rule"), "2026-01-12", ("v1", PRODUCTION))
    study = open_study()
    for model in ("v1", "v2"):
        simulated(study, "2026-01-12", model, ("v1", SIMULATED))
    assert set(forecast_rows(study, "v2", TODAY)["tau"]) == {0.5}


def test_what_is_learned_later_leaves_a_sealed_forecast_as_it_is(scored, observed):
    sealed = seal(scored.lake, "v3", forecast_rows(scored, "v3", TODAY))
    observed(scored, "2026-02-02", ("v3", PRODUCTION))
    assert is_final(scored, "v3")
    # The score of v2 is made anew from more weeks, and v3's error would now be another.
    observed(scored, "2026-01-26", ("v2", SIMULATED))
    scored.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(scored, "v2"))
    now = forecast_rows(scored, "v3", TODAY)
    assert now["tau"].tolist() != sealed.column("tau").to_pylist()
    assert seal(scored.lake, "v3", now).equals(sealed) and is_final(scored, "v3")


# --------------------------------------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("name", ["earlier.parquet", "earlier.json", "earlier.jsonl"])
def test_score_files_of_earlier_studies_are_learned_from(study, simulated, open_study, tmp_path, name):
    score_file(tmp_path, name)
    simulated(study, "2026-01-12", "v2", ("v1", SIMULATED))
    rows = by_category(forecast_rows(open_study(estimation={"scorecards": [name]}), "v2", TODAY))
    assert rows["tau"]["sly"] > 1 > rows["tau"]["rude"] and set(rows["tau_pairs"]) == {3}
    (source,) = set(rows["tau_source"])
    assert source.startswith(f"{name} (SHA-256 ")


def test_the_same_scores_in_two_files_are_one_piece_of_evidence(study, simulated, open_study, tmp_path):
    """A study's scores are exported after each release, and every export holds the earlier ones again."""
    score_file(tmp_path, "first.json")
    score_file(tmp_path, "again.parquet")
    score_file(tmp_path, "other.json", observed_per_100k=[2000.0, 1900.0, 100.0])
    simulated(study, "2026-01-12", "v2", ("v1", SIMULATED))

    def learned(*names):
        return by_category(forecast_rows(open_study(estimation={"scorecards": list(names)}), "v2", TODAY))

    once, twice, other = (
        learned("first.json"),
        learned("first.json", "again.parquet"),
        learned("first.json", "other.json"),
    )
    assert set(twice["tau_pairs"]) == {3} and twice["tau"].to_dict() == once["tau"].to_dict()
    assert set(other["tau_pairs"]) == {4}


def test_a_file_with_scores_of_the_study_itself_tells_a_candidate_nothing_about_itself(
    study, simulated, open_study, tmp_path
):
    score_file(tmp_path, model=["v2", "v3", "v2"])
    simulated(study, "2026-01-12", "v2", ("v1", SIMULATED))
    rows = forecast_rows(open_study(estimation={"scorecards": ["earlier.parquet"]}), "v2", TODAY)
    assert set(rows["tau"]) == {0.5} and set(rows["tau_pairs"]) == {0}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"observed_n": "many"}, "holds text where a number belongs"),
        ({"forecast_per_100k": 200_000.0}, "rate outside 0 to 100,000"),
        ({"observed_n": -5}, "negative number"),
        ({"category": "rude"}, "repeats a category"),
        ({"model": None}, "row without either"),
        ({"sandbox": True}, "is of a sandbox"),
    ],
)
def test_a_score_file_that_is_none_is_refused(tmp_path, changes, why):
    path = score_file(tmp_path, "bad.json", **changes)
    with pytest.raises(EstimationError, match=rf"estimation.scorecards: bad.json .*{why}"):
        read_scores(path, "bad.json", sandbox=False)


def test_unreadable_score_files_are_named(tmp_path):
    with pytest.raises(EstimationError, match=r"absent.json cannot be read"):
        read_scores(tmp_path / "absent.json", "absent.json", sandbox=False)
    for content in (b"no rows", b"[1, 2]", b"PAR1 but not", b"\xff\xfe"):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(EstimationError, match="bad.json is neither Parquet nor JSON"):
            read_scores(tmp_path / "bad.json", "bad.json", sandbox=False)
    path = score_file(tmp_path)
    pq.write_table(pq.read_table(path).drop_columns(["observed_n"]), path)
    with pytest.raises(EstimationError, match="lacks the columns observed_n"):
        read_scores(path, path.name, sandbox=False)
    with pytest.raises(EstimationError, match="is not of a sandbox"):
        read_scores(score_file(tmp_path), "earlier.parquet", sandbox=True)
    assert set(SCORE_COLUMNS) <= set(POST_RELEASE_CALIBRATION.schema.names)
