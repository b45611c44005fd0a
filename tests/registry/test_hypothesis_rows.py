"""registered_tests from a real lake: every scored candidate, the baselines beside it, and what is stale."""

import pyarrow as pa
import pytest
from test_summary_rows import scored, study

from depsim_dagster.errors import DepsimError
from depsim_dagster.lake import Lake
from depsim_dagster.registry.hypothesis_rows import registered_test_rows
from depsim_dagster.registry.schema import (
    BASELINE_CALIBRATION,
    POST_RELEASE_CALIBRATION,
    REGISTERED_TESTS,
)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "store", {})


def beside(model: str, **changes: object) -> pa.Table:
    """Challenging prompts that are two nats worse than the forecast in both categories of `scored`."""
    rows = []
    for category in ("hate", "violence"):
        row = {
            column.name: None
            if column.nullable
            else "" if pa.types.is_string(column.type) else False if pa.types.is_boolean(column.type) else 0
            for column in BASELINE_CALIBRATION.schema
        }  # fmt: skip
        rows.append(
            row
            | {
                "model": model,
                "category": category,
                "prefix_source": "challenging_prompts",
                "log_score": 3.0,
                "baseline_log_score": 5.0,
                "kind": "retrospective",
                "stack_hash": "s",
                **changes,
            }
        )
    return pa.Table.from_pylist(rows, schema=BASELINE_CALIBRATION.schema)


def test_nothing_scored_is_an_empty_table(lake):
    rows = registered_test_rows(study(lake))
    assert rows.num_rows == 0 and rows.schema.equals(REGISTERED_TESTS.schema)


def test_all_candidates_are_tested_together_and_published_as_one_table(lake):
    for number, model in enumerate(("v2", "v3", "v4")):
        scores = {"log_score": 3.0, "baseline_log_score": 3.5 + number}
        lake.write(POST_RELEASE_CALIBRATION, {"model": model}, scored(model, **scores))
    rows = registered_test_rows(study(lake))
    lake.write(REGISTERED_TESTS, {}, rows)
    assert lake.read(REGISTERED_TESTS, {}).equals(rows)
    found = {row["test"]: row for row in rows.to_pylist()}
    assert list(found) == ["H1", "H2", "H3"]
    h1 = found["H1"]
    # six pairs that are all better: one sign pattern of 64
    assert (h1["candidates"], h1["pairs"], h1["p_value"], h1["result"]) == (3, 6, 1 / 64, "supported")
    assert h1["estimate"] == pytest.approx(1.5)
    assert found["H2"]["result"] == "not_testable" and "no challenging prompts" in found["H2"]["reason"]
    assert found["H2"]["p_value"] is None and found["H2"]["pairs"] == 0


def test_challenging_prompts_are_tested_where_they_were_scored(lake):
    for model in ("v2", "v3", "v4"):
        lake.write(POST_RELEASE_CALIBRATION, {"model": model}, scored(model, log_score=3.0))
        lake.write(BASELINE_CALIBRATION, {"model": model}, beside(model))
    found = {row["test"]: row for row in registered_test_rows(study(lake)).to_pylist()}
    assert (found["H2"]["result"], found["H2"]["estimate"]) == ("supported", 2.0)
    assert found["H1"]["result"] == "not_testable"


def test_a_baseline_of_an_older_score_is_refused(lake):
    lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, scored("v2"))
    lake.write(BASELINE_CALIBRATION, {"model": "v2"}, beside("v2", forecast_hash="older"))
    with pytest.raises(DepsimError, match="materialise baseline_calibration of v2 again"):
        registered_test_rows(study(lake))
