"""A study with challenging prompts of another log format, end to end on the sandbox, beside the same study without."""

import gzip
import json
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from small_study import SMALL_STUDY, write_study

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.registry.schema import (
    BASELINE_CALIBRATION,
    POST_RELEASE_CALIBRATION,
    REGISTERED_FORECASTS,
)
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import CHALLENGING_PROMPTS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL

FORECAST_WEEK, FIRST_WEEK = "2026-01-12", "2026-01-05"
PROMPTS, A_WEEK = 40, 25


@pytest.fixture(scope="module")
def studies(
    small_world: Path, finished_study: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, Study]:
    """(with challenging prompts, without them); each was run whole."""
    prompts = {
        "format": "openai_chat",
        "paths": ["challenging/"],
        "prompts_per_week": A_WEEK,
        "defaults": {"account_class": "consumer", "surface": "chat", "temporary": False},
        "consent": {"public_corpus": "written by the testers of this study"},
    }
    directory = tmp_path_factory.mktemp("beside")
    file = write_study(
        directory, small_world, traffic=SMALL_STUDY["traffic"] | {"challenging_prompts": prompts}
    )
    write_prompts(directory / "challenging", small_world)
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(load_study(file), file).resolve_job_def("study")
        assert job.execute_in_process(instance=instance).success
    return Study(load_study(file)), Study(load_study(finished_study))


def write_prompts(directory: Path, world: Path) -> None:
    """Prompts of the sandbox world as OpenAI chat JSON Lines without times, and one line that is broken."""
    directory.mkdir()
    logged = pq.ParquetFile(world / "traffic" / "week=2026-01-26.parquet").read().to_pylist()
    texts = [next(part["content"] for part in row["messages"] if part["role"] == "user") for row in logged]
    lines = [
        json.dumps({"id": f"prompt-{number}", "messages": [{"role": "user", "content": text}]})
        for number, text in enumerate(texts[:PROMPTS])
    ]
    with gzip.open(directory / "prompts.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join([*lines, '{"id": "broken"']) + "\n")


def rows_without(table, *columns):
    return table.drop_columns([name for name in columns if name in table.column_names]).to_pylist()


def test_every_model_that_the_week_simulates_replays_the_prompts(studies):
    study, _ = studies
    for model in ("sandbox-v1", "sandbox-v2"):
        rows = study.lake.read(REGENERATED_COMPLETIONS, {"week": FORECAST_WEEK, "model": model}).to_pylist()
        on_prompts = [row for row in rows if row["deployment"] == CHALLENGING_PROMPTS]
        assert len(on_prompts) == A_WEEK and len(rows) == 120 + A_WEEK


def test_the_source_has_rates_of_its_own_in_every_week(studies):
    study, _ = studies
    for model in ("sandbox-v1", "sandbox-v2"):
        rates = study.lake.read(RATE_ESTIMATES, {"week": FORECAST_WEEK, "model": model}).to_pandas()
        own = rates[rates["prefix_source"] == CHALLENGING_PROMPTS]
        assert len(own) == 20 and set(own["n"] + own["missing"]) <= set(range(A_WEEK + 1))
        assert set(own["deployment"]) == {CHALLENGING_PROMPTS} and set(own["source"]) == {"simulated"}
    assert own["n"].max() == A_WEEK


def test_prompts_differ_between_weeks_and_have_no_production_response(studies):
    study, _ = studies
    turns = []
    for week in (FIRST_WEEK, FORECAST_WEEK):
        rows = study.lake.read(DEIDENTIFIED_PREFIXES, {"week": week}).to_pandas()
        prompts = rows[rows["prefix_source"] == CHALLENGING_PROMPTS]
        assert len(prompts) == A_WEEK and set(prompts["target"]) == {"[]"}
        turns.append(set(prompts["turn_id"]))
        observed = study.lake.read(OBSERVED_RATES, {"week": week}).to_pandas()
        assert set(observed["prefix_source"]) == {"deployment_traffic"}
    assert not turns[0] & turns[1]


def test_the_funnel_accounts_for_every_prompt(studies):
    study, _ = studies
    funnel = study.lake.read(SAMPLING_FUNNEL, {"week": FORECAST_WEEK}).to_pandas()
    own = funnel[funnel["prefix_source"] == CHALLENGING_PROMPTS].set_index("rule")["turns"]
    assert own["sampled"] == A_WEEK and own.sum() == PROMPTS


def test_the_forecast_and_its_score_are_those_of_the_study_without_the_source(studies):
    beside, alone = studies
    seals = ("labels_hash", "prefixes_hash", "forecast_hash", "sealed_at", "previous_hash")
    for table in (REGISTERED_FORECASTS, POST_RELEASE_CALIBRATION):
        with_source, without = (
            rows_without(study.lake.read(table, {"model": "sandbox-v2"}), *seals) for study in studies
        )
        assert with_source == without and len(without) == 20, table.name
    for week in (FIRST_WEEK, FORECAST_WEEK):
        with_source, without = (
            study.lake.read(SAMPLED_TRAFFIC, {"week": week}).to_pylist() for study in studies
        )
        assert [row for row in with_source if row["prefix_source"] == "deployment_traffic"] == without
    assert beside.stack_hash == alone.stack_hash, "a baseline changes nothing in how the forecast is measured"


def test_the_baseline_is_scored_beside_the_forecast_and_shown(studies):
    beside, alone = studies
    scored = beside.lake.read(BASELINE_CALIBRATION, {"model": "sandbox-v2"}).to_pandas()
    assert set(scored["prefix_source"]) == {CHALLENGING_PROMPTS} and len(scored) == 20
    assert scored["baseline_log_score"].notna().any()
    assert alone.lake.read(BASELINE_CALIBRATION, {"model": "sandbox-v2"}).num_rows == 0
    report = json.loads(beside.config.path("report.json").read_text(encoding="utf-8"))
    assert len(report["baselines"]) == 20
    mart = {row["baseline"] for row in report["marts"]["baseline_comparison"]}
    assert mart == {"previous_production", "unshrunk_ratio", CHALLENGING_PROMPTS}
    (rejected,) = report["data_quality"]["rejected"]
    assert (rejected["reason"], rejected["records"]) in {("truncated", 1), ("not_json", 1)}
    page = beside.config.path("report.html").read_text(encoding="utf-8")
    assert "Challenging prompts in place of the deployment" in page
