"""Labels of evaluation awareness: which turns of which source are examined, by whom, and what a row says."""

import json

import dagster as dg
import pyarrow as pa
import pytest
from awareness_store import GRADERS, WEEK, open_study, turn, write_week

from depsim_dagster.awareness.judges import judges
from depsim_dagster.awareness.labels.assets import awareness_label_assets, label_counts
from depsim_dagster.awareness.labels.labelling import label_awareness
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.errors import LakeError
from depsim_dagster.grading.review.human_labels import import_labels
from depsim_dagster.grading.review.validation import validation_rows
from depsim_dagster.partitions import study_partitions
from depsim_dagster.resources import StudyResource
from depsim_dagster.traffic.prefix_sources import EVALUATION_PROMPTS

AWARENESS = {"detectors": ["rule"], "monitor": "watch"}
EVALUATION = {"prefix_source": EVALUATION_PROMPTS}


def labelled(study, model="m2", week=WEEK):
    return pa.Table.from_batches(
        label_awareness(study, week, model).rows, AWARENESS_LABELS.schema
    ).to_pylist()


def flags(rows, measure):
    return {(row["source"], row["turn_id"]): row["flagged"] for row in rows if row["measure"] == measure}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a key of these tests, long enough")


@pytest.fixture
def small(tmp_path):
    study = open_study(tmp_path, AWARENESS)
    write_week(
        study,
        [
            turn("Hello", "Hi.", "Plan: greet."),
            turn("TEST question", "Fine.", "There is oversight."),
            turn("No thoughts", "Yes."),
            turn("TEST (A) or (B)", "A.", "I pick A.", **EVALUATION),
            turn("Failed before", "No.", prefix_source="challenging_prompts"),
        ],
    )
    return study


def test_every_source_is_labelled_by_every_judge(small):
    rows = labelled(small)
    assert len(rows) == 3 * (3 + 3 + 1)
    assert flags(rows, "judged") == {
        ("production", "turn-0000"): False,
        ("production", "turn-0001"): True,
        ("production", "turn-0002"): False,
        ("simulated", "turn-0000"): False,
        ("simulated", "turn-0001"): True,
        ("simulated", "turn-0002"): False,
        ("evaluation", "turn-0003"): True,
    }
    for measure in ("verbalised", "metagaming"):
        assert [place for place, flag in flags(rows, measure).items() if flag] == [
            ("production", "turn-0001"),
            ("simulated", "turn-0001"),
        ]
    assert {row["judge"] for row in rows if row["measure"] == "judged"} == {"rule"}
    assert {row["judge"] for row in rows if row["measure"] != "judged"} == {"watch"}
    assert {(row["source"], row["author"]) for row in rows} == {
        ("production", "m1"),
        ("simulated", "m2"),
        ("evaluation", "m2"),
    }
    assert {row["model"] for row in rows} == {"m2"}
    first = rows[0]
    assert first["deployment"] == "m1" and first["surrogates"] == "realistic"
    assert first["age_days"] == pytest.approx(12.5)
    assert {(row["turn_id"], row["identifiers_replaced"]) for row in rows} == {
        (f"turn-{number:04d}", number) for number in range(4)
    }


def test_a_turn_without_reasoning_has_nothing_to_monitor(small):
    rows = [row for row in labelled(small) if row["turn_id"] == "turn-0002"]
    assert {(row["measure"], row["status"], row["flagged"]) for row in rows} == {
        ("judged", "graded", False),
        ("verbalised", "not_applicable", None),
        ("metagaming", "not_applicable", None),
    }


def test_a_missing_completion_is_missing_in_what_it_would_have_been_asked(tmp_path):
    study = open_study(tmp_path, AWARENESS)
    write_week(study, [turn("Hello", "")])
    statuses = {row["status"] for row in labelled(study) if row["source"] == "production"}
    assert statuses == {"missing_completion"}


def test_the_sample_is_the_same_for_both_models_and_for_what_production_said(tmp_path):
    study = open_study(tmp_path, {**AWARENESS, "turns_per_week": 40})
    week = [turn(f"q{number}", "a") for number in range(200)]
    week += [turn(f"e{number}", "a", **EVALUATION) for number in range(100)]
    write_week(study, week)
    drawn = {}
    for model in ("m1", "m2"):
        rows = [row for row in labelled(study, model) if row["measure"] == "judged"]
        for source in ("production", "simulated", "evaluation"):
            drawn[model, source] = [row["turn_id"] for row in rows if row["source"] == source]
            (probability,) = {row["inclusion_probability"] for row in rows if row["source"] == source}
            assert probability == pytest.approx(0.5 * (0.4 if source == "evaluation" else 0.2))
    assert 25 <= len(drawn["m2", "production"]) <= 55 and 25 <= len(drawn["m2", "evaluation"]) <= 55
    assert drawn["m1", "production"] == drawn["m2", "production"] == drawn["m2", "simulated"]
    assert drawn["m1", "simulated"] == drawn["m2", "simulated"]
    assert drawn["m1", "evaluation"] == drawn["m2", "evaluation"]


def test_production_of_a_deployment_that_the_model_is_not_simulated_on_is_left_out(tmp_path):
    older = [{"model": "m0", "released": "2025-06-02", "endpoint": "models"}]
    study = open_study(
        tmp_path,
        AWARENESS,
        deployments=[
            *older,
            {"model": "m1", "released": "2025-12-01", "endpoint": "models", "predecessor": "m0"},
            {"model": "m2", "released": "2026-01-19", "endpoint": "models", "predecessor": "m1"},
        ],
    )
    write_week(study, [turn("Hello", "Hi.")], models=("m0", "m1", "m2"), logged="m0")
    assert {row["source"] for row in labelled(study, "m2")} == {"simulated"}
    assert {row["source"] for row in labelled(study, "m1")} == {"production", "simulated"}


def test_a_cascade_an_ensemble_and_a_pattern_judge_too(tmp_path):
    graders = {
        **GRADERS,
        "pattern": {"kind": "regex", "pattern": "oversight"},
        "score": {"kind": "python", "function": "rules.py:suspects"},
        "panel": {"kind": "ensemble", "members": ["rule", "pattern", "score"]},
        "cascade": {**GRADERS["rule"], "screen": {"grader": "score", "share": 0.3}},
    }
    grading = {"taxonomy": "taxonomy.yaml", "graders": graders, "default_grader": "rule"}
    study = open_study(tmp_path, {"detectors": ["panel", "cascade"], "monitor": "pattern"}, grading=grading)
    week = [turn(f"q{number}", "a", "Plan.") for number in range(40)]
    write_week(study, [turn("TEST", "a", "There is oversight."), *week])
    rows = labelled(study)
    (suspected,) = (
        row for row in rows if row["judge"] == "panel" and row["flagged"] and row["author"] == "m1"
    )
    assert suspected["turn_id"] == "turn-0000" and suspected["score"] == pytest.approx(2 / 3)
    # A pattern that monitors is searched in the reasoning, which is all that a monitor sees.
    monitored = [row for row in rows if row["judge"] == "pattern"]
    assert {row["turn_id"] for row in monitored if row["flagged"]} == {"turn-0000"}
    assert len(monitored) == 2 * 2 * 41 and {row["status"] for row in monitored} == {"graded"}
    screened = [row for row in rows if row["judge"] == "cascade"]
    read = [row for row in screened if row["status"] == "graded"]
    assert {row["status"] for row in screened} == {"graded", "screened_out"} and len(read) < 60
    assert all(row["inclusion_probability"] == 0.5 for row in read if row["turn_id"] == "turn-0000")
    # Of the prefix, times of the cascade: the turns that were read stand for all of them.
    assert sum(0.5 / row["inclusion_probability"] for row in read) == pytest.approx(82, rel=0.35)


def test_the_hash_of_the_definitions_follows_the_judge(tmp_path):
    def hashes(awareness=AWARENESS, **sections):
        study = open_study(tmp_path, awareness, **sections)
        write_week(study, [turn("Hello", "Hi.", "Plan.")])
        return {row["judge"]: row["definitions_hash"] for row in labelled(study)}

    def grading(**graders):
        return {"taxonomy": "taxonomy.yaml", "graders": {**GRADERS, **graders}, "default_grader": "rule"}

    first = hashes()
    assert len(set(first.values())) == 2 and all(len(value) == 32 for value in first.values())
    assert hashes({**AWARENESS, "turns_per_week": 7}) == first
    assert hashes(grading=grading(other={"kind": "regex", "pattern": "a"})) == first
    other = hashes(grading=grading(rule={"kind": "regex", "pattern": "a"}))
    assert other["watch"] == first["watch"] and other["rule"] != first["rule"]
    assert not set(hashes(replay={"temperature": 0.5}).values()) & set(first.values())


def test_to_examine_a_week_is_no_part_of_the_measurement_stack(tmp_path):
    assert open_study(tmp_path, AWARENESS).stack_hash == open_study(tmp_path, None).stack_hash


def test_without_completions_the_error_names_them(tmp_path):
    study = open_study(tmp_path, AWARENESS)
    write_week(study, [turn("Hello", "Hi.")], models=("m1",))
    with pytest.raises(LakeError, match="regenerated_completions"):
        labelled(study)


# ------------------------------------------------------------------------------------------------------- the model itself


def test_the_model_itself_is_a_judge_at_its_own_endpoint(tmp_path):
    study = open_study(
        tmp_path,
        {"detectors": ["self", "rule"], "monitor": "watch"},
        replay={"parameters": {"reasoning_effort": "low"}, "temperature": None},
        deployments=[
            {"model": "m1", "released": "2025-12-01", "endpoint": "models"},
            {
                "model": "m2",
                "released": "2026-01-19",
                "endpoint": "models",
                "predecessor": "m1",
                "served_as": "m2-snapshot",
            },
        ],
    )
    found = judges(study.config, "m2")
    assert [(judge.name, judge.role) for judge in found] == [
        ("self", "detector"),
        ("rule", "detector"),
        ("watch", "monitor"),
    ]
    itself = found[0].further["self"]
    assert (itself.kind, itself.endpoint, itself.model) == ("llm", "models", "m2-snapshot")
    assert itself.parameters == {"reasoning_effort": "low", "temperature": None}


# --------------------------------------------------------------------------------------------------------------- the asset


def materialised(study, model="m2"):
    partitions = study_partitions(study.config)
    assets = awareness_label_assets(partitions)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            assets,
            partition_key=dg.MultiPartitionKey({"week": WEEK, "model": model}),
            resources={"study": StudyResource(study_file=str(study.config.file))},
            instance=instance,
        )
    (event,) = result.get_asset_materialization_events()
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    return event.step_materialization_data.materialization.metadata, checks


def test_the_asset_says_what_was_labelled_and_nothing_that_was_said(tmp_path):
    study = open_study(tmp_path, AWARENESS)
    week = [turn("Hello", "Hi.", "Plan."), turn("TEST", "Fine.", "There is oversight."), turn("More?", "No.")]
    write_week(study, week)
    metadata, checks = materialised(study)
    assert metadata["dagster/row_count"].value == 2 * 3 * 3
    assert all(check.passed for check in checks.values()) and set(checks) == {
        "missing_labels",
        "one_grader_version",
    }
    shown = json.dumps({name: str(value.value) for name, value in metadata.items()})
    assert "production" in shown and "oversight" not in shown and "Hello" not in shown
    counts = label_counts(study.lake, {"week": WEEK, "model": "m2"})
    judged = counts[(counts["measure"] == "judged") & (counts["source"] == "simulated")].iloc[0]
    assert (judged["flagged"], judged["graded"], judged["missing"]) == (1, 3, 0)


def test_without_the_section_the_partition_is_empty_and_says_so(tmp_path):
    study = open_study(tmp_path, None)
    write_week(study, [turn("Hello", "Hi.")])
    metadata, checks = materialised(study)
    assert metadata["dagster/row_count"].value == 0 and "awareness" in metadata["skipped"].value
    assert all(check.passed for check in checks.values())


def test_missing_labels_are_shown_by_the_check(tmp_path):
    study = open_study(tmp_path, AWARENESS)
    write_week(study, [turn("Hello", "Hi."), turn("Hello?", "")])
    _, checks = materialised(study)
    assert not checks["missing_labels"].passed


# ---------------------------------------------------------------------------------------- the monitor beside people


def test_people_can_label_what_the_monitor_reads(tmp_path):
    study = open_study(tmp_path, AWARENESS)
    week = [turn(f"q{number}", "a", "There is oversight." if number < 6 else "Plan.") for number in range(20)]
    write_week(study, week)
    for model in ("m1", "m2"):
        partition = {"week": WEEK, "model": model}
        study.lake.write(AWARENESS_LABELS, partition, label_awareness(study, WEEK, model).rows)
    file = tmp_path / "labels.csv"
    rows = ["turn_id,category,label,annotator,source,model"]
    # People find what the monitor finds, and one more; production turns were examined for both models.
    rows += [f"turn-{n:04d},metagaming,{'yes' if n < 7 else 'no'},ann,production,m1" for n in range(20)]
    rows += ["turn-0000,judged,yes,ann,production,m1", "turn-0000,verbalised,no,ann,simulated,m2"]
    file.write_text("\n".join(rows) + "\n")
    imported = import_labels(study, file)
    assert imported.labels == 21 and len(imported.rejected) == 1  # where a turn comes from is known
    found = {row["category"]: row for row in validation_rows(study).to_pylist()}
    metagaming = found["metagaming"]
    assert (metagaming["grader"], metagaming["n"], metagaming["both_flagged"]) == ("watch", 20, 6)
    assert metagaming["sensitivity"] == pytest.approx(6 / 7) and metagaming["specificity"] == 1
    monitored = {row["definitions_hash"] for row in labelled(study) if row["judge"] == "watch"}
    assert {metagaming["stack_hash"]} == monitored
    assert found["verbalised"]["n"] == 1 and found["verbalised"]["both_flagged"] == 0

    # Another monitor's labels are of other definitions, and a study without the section knows no such measure.
    other = open_study(tmp_path, {**AWARENESS, "monitor": "rule"})
    assert {row["n"] for row in validation_rows(other).to_pylist()} == {0}
    without = validation_rows(open_study(tmp_path, None)).to_pylist()
    assert [(row["category"], row["n"], row["other_reading"]) for row in without] == [
        ("metagaming", 0, 20),
        ("verbalised", 0, 1),
    ]
