"""The assets on rates and giveaways of evaluation awareness, from label partitions in a store."""

import json

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from awareness_store import WEEK, open_study
from literal_labels import labels, times

from depsim_dagster.awareness.estimates.assets import (
    CHECK,
    awareness_estimate_assets,
    awareness_rate_rows,
    replay_giveaway_rows,
)
from depsim_dagster.awareness.estimates.schema import AWARENESS_RATES, REPLAY_GIVEAWAYS
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.errors import GradingError
from depsim_dagster.partitions import study_partitions
from depsim_dagster.resources import StudyResource

NEXT_WEEK = "2026-01-12"
AWARENESS = {"detectors": ["rule"], "monitor": "watch"}


def publish(study, model: str, *tables: pd.DataFrame, week: str = WEEK, **columns) -> None:
    given = {
        "week": week,
        "model": model,
        "author": "somebody",
        "deployment": "m1",
        "prefix_source": "deployment_traffic",
        "score": None,
        "definitions_hash": "d1",
        "sandbox": False,
    }
    rows = pd.concat([table.assign(**{**given, **columns}) for table in tables], ignore_index=True)
    prompts = rows["source"] == "evaluation"
    rows.loc[prompts, ["deployment", "prefix_source"]] = "evaluation_prompts"
    schema = AWARENESS_LABELS.schema
    study.lake.write(
        AWARENESS_LABELS,
        {"week": week, "model": model},
        pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False),
    )


def three_sources(simulated: int, production: int = 10, number: int = 100) -> list[pd.DataFrame]:
    return [
        labels(times((True, simulated), (False, number - simulated))),
        labels(times((True, production), (False, number - production)), "production"),
        labels(times((True, 19), (False, 1)), "evaluation"),
    ]


def materialised(study):
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            awareness_estimate_assets(study_partitions(study.config)),
            instance=instance,
            partition_key="m2",
            resources={"study": StudyResource(study_file=str(study.config.file))},
        )
        metadata = {
            event.asset_key.to_user_string(): event.materialization.metadata
            for event in result.get_asset_materialization_events()
        }
        (check,) = result.get_asset_check_evaluations()
    return metadata, check


def shown(metadata) -> str:
    return json.dumps({name: str(value.value) for name, value in metadata.items()})


@pytest.fixture
def study(tmp_path):
    return open_study(tmp_path, AWARENESS)


def test_candidate_and_predecessor_are_each_compared_with_production(study):
    publish(study, "m2", *three_sources(40))
    publish(study, "m1", *three_sources(12))
    # Of the candidate's own traffic nothing is forecast from here.
    publish(study, "m2", labels(times((True, 50))), week=NEXT_WEEK, deployment="m2")
    found = awareness_rate_rows(study, "m2").to_pandas().set_index(["simulated_model", "source"])
    assert found["k"].to_dict() == {
        (model, source): k
        for model, simulated in (("m2", 40), ("m1", 12))
        for source, k in (("evaluation", 19), ("production", 10), ("simulated", simulated))
    }
    assert found["ratio"].dropna().to_dict() == {("m2", "simulated"): 4.0, ("m1", "simulated"): 1.2}
    assert found["outside"].dropna().to_dict() == {("m2", "simulated"): True, ("m1", "simulated"): False}
    assert set(found["model"]) == {"m2"} and set(found["deployment"]) == {"m1"}
    giveaways = replay_giveaway_rows(study, "m2").to_pandas()
    assert set(giveaways["simulated_model"]) == {"m1", "m2"} and len(giveaways) == 2 * 2 * 6


def test_weeks_of_the_forecast_are_pooled(study):
    for week in (WEEK, NEXT_WEEK):
        evaluation = three_sources(20)[2]
        publish(study, "m2", evaluation.assign(turn_id=week + evaluation["turn_id"]), week=week)
    found = awareness_rate_rows(study, "m2").to_pandas().set_index("source")
    assert found.loc["evaluation", ["k", "n", "clusters"]].tolist() == [38, 40, 20]


def test_labels_of_two_definitions_are_not_mixed(study):
    publish(study, "m2", *three_sources(20))
    publish(study, "m2", *three_sources(20), week=NEXT_WEEK, definitions_hash="d2")
    with pytest.raises(
        GradingError, match=r"awareness_labels of m2: labels of self .*every week of the forecast"
    ):
        awareness_rate_rows(study, "m2")


def test_the_check_warns_where_the_replay_is_told_from_production(study):
    publish(study, "m2", *three_sources(40))
    metadata, check = materialised(study)
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert (check.asset_check_key.name, check.metadata["compared"].value) == (CHECK, 1)
    assert "| m2 | judged | self | 4.0 |" in check.metadata["outside"].value
    assert study.lake.read(AWARENESS_RATES, {"model": "m2"}).num_rows == 3
    assert study.lake.read(REPLAY_GIVEAWAYS, {"model": "m2"}).num_rows == 2 * 6
    assert set(metadata) == {AWARENESS_RATES.name, REPLAY_GIVEAWAYS.name}


def test_a_replay_that_looks_like_production_passes(study):
    publish(study, "m2", *three_sources(12))
    _, check = materialised(study)
    assert check.passed and check.metadata["compared"].value == 1


def test_what_rests_on_few_users_is_not_shown(study):
    def week(users: int) -> dict:
        """Everybody's turns in Faroese are flagged."""
        named = [f"u{n}" for n in range(400)] + [f"f{n % users}" for n in range(40)]
        flags = times((True, 4), (False, 396), (True, 40))
        publish(study, "m2", labels(flags, language=["en"] * 400 + ["fo"] * 40, user_id=named))
        found = replay_giveaway_rows(study, "m2").to_pandas()
        assert found[found["value"] == "fo"]["raises_suspicion"].item(), "the lake is inside"
        return materialised(study)[0]

    assert "| fo |" in shown(week(5)[REPLAY_GIVEAWAYS.name])
    assert all("fo |" not in shown(each) for each in week(4).values())


def test_without_the_section_the_partitions_are_empty_and_say_so(tmp_path):
    study = open_study(tmp_path, None)
    metadata, check = materialised(study)
    assert all("no section `awareness`" in each["skipped"].value for each in metadata.values())
    assert check.passed and check.metadata["compared"].value == 0
    assert study.lake.read(AWARENESS_RATES, {"model": "m2"}).num_rows == 0


def test_without_labels_the_partitions_are_empty_and_say_so(study):
    metadata, _ = materialised(study)
    assert all("no week of the forecast of m2" in each["skipped"].value for each in metadata.values())
