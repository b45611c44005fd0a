"""Corrected rates of a store: which labels count for which rate, the refusals, and the planned review that ends them."""

import json
import shutil

import dagster as dg
import pytest
from click.testing import CliRunner
from labelled_store import KEY, WEEK, filled, filled_in, flagged, open_study, turn_name, write_week

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.config_sections.estimation import EstimationConfig
from depsim_dagster.estimation.grader_error.assets import grader_error_assets
from depsim_dagster.estimation.grader_error.schema import CORRECTED_RATES
from depsim_dagster.grading.review.human_labels import import_labels
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.privacy.gates.aggregates import published_aggregate
from depsim_dagster.registry.corrected_rows import OTHER_STACK, corrected_rows
from depsim_dagster.resources import StudyResource
from depsim_dagster.study import Study

TRAFFIC = 400  # turns from here on are challenging prompts


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Of 400 turns of traffic the grader flags 40, of 200 challenging prompts 20."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_HMAC_KEY", KEY)
        study = open_study(tmp_path_factory.mktemp("graded"))
        write_week(study, 600)
        place = {"week": WEEK, "model": "m2"}
        rows = study.lake.read(GRADED_LABELS, place).to_pylist()
        prompts = {turn_name(number) for number in range(TRAFFIC, 600)}
        moved = {"prefix_source": "challenging_prompts", "deployment": "challenging_prompts"}
        rows = [row | (moved if row["turn_id"] in prompts else {}) for row in rows]
        study.lake.write(GRADED_LABELS, place, filled(GRADED_LABELS, rows))
        return study.config.directory


@pytest.fixture
def study(graded, tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    shutil.copytree(graded, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Study(load_study(tmp_path / "study.yaml"))


def give(study, labels, name, category="rude", **columns):
    """Import labels of m2's turns by their number."""
    file = study.config.directory / f"{name}.jsonl"
    rows = [
        {"turn_id": turn_name(number), "category": category, "model": "m2", "label": label, "annotator": "a", **columns}
        for number, label in labels.items()
    ]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, rows)))
    assert not import_labels(study, file).rejected


def row_of(study, category="rude"):
    (row,) = [row for row in corrected_rows(study).to_pylist() if row["category"] == category]
    return row


def all_flags(study):
    """All 40 flagged turns of traffic are read; people agree with 30."""
    give(study, {number: number < 300 for number in range(0, TRAFFIC, 10)}, "flags", sampling_probability=1)


def all_prompts(study):
    """Of 25 challenging prompts that show the behaviour the grader flags 20."""
    shown = {number: flagged(number) or number % 40 == 1 for number in range(TRAFFIC, 600)}
    give(study, shown, "prompts", sampling_probability=1)


def test_without_labels_every_rate_is_raw_with_a_refusal(study):
    row = row_of(study)
    assert (row["model"], row["deployment"], row["source"]) == ("m2", "m1", "simulated")
    assert (row["k"], row["n"], row["rate_per_100k"]) == (40, 400, pytest.approx(10_000))
    assert row["method"] == "refused" and row["corrected_per_100k"] is None
    assert "0 of 40 flagged turns of this rate are audited" in row["reason"]
    assert corrected_rows(study).num_rows == 2


def test_flags_of_the_rate_and_positives_among_challenging_prompts_correct_it(study):
    all_flags(study)
    row = row_of(study)
    assert row["method"] == "refused" and "no known positives" in row["reason"]
    assert (row["audited"], row["confirmed"], row["precision"]) == (40, 30, 0.75)
    all_prompts(study)
    row = row_of(study)
    assert row["method"] == "precision_sensitivity" and "those on challenging prompts" in row["reason"]
    assert (row["known_positives"], row["caught"], row["sensitivity"]) == (25, 20, pytest.approx(0.8))
    assert row["corrected_per_100k"] == pytest.approx(1e5 * 30 / 0.8 / 400)
    assert row["corrected_lower_per_100k"] < row["corrected_per_100k"] < row["corrected_upper_per_100k"]
    assert row["rate_per_100k"] == pytest.approx(10_000)
    # Labels of one category say nothing of another.
    assert row_of(study, "sly")["method"] == "refused"


def test_flags_among_challenging_prompts_are_none_of_the_rate(study):
    all_prompts(study)
    row = row_of(study)
    assert row["method"] == "refused" and (row["audited"], row["known_positives"]) == (0, 0)


def test_positives_without_probabilities_count_with_an_assumption_and_flags_do_not(study):
    give(study, dict.fromkeys(range(0, 350, 10), True), "flags")
    give(study, {number: flagged(number) or number % 40 == 1 for number in range(TRAFFIC, 600)}, "prompts")
    assert "35 of 35 audited flags have no sampling probability" in row_of(study)["reason"]
    give(study, dict.fromkeys(range(350, TRAFFIC, 10), True), "rest")
    row = row_of(study)
    assert row["method"] == "precision_sensitivity" and "whatever the grader had said" in row["reason"]


def test_everything_read_is_an_audit_that_needs_no_assumption(study):
    give(
        study,
        {number: flagged(number) and number < 300 or number in (11, 12) for number in range(TRAFFIC)},
        "everything",
        sampling_probability=1,
    )
    row = row_of(study)
    assert row["method"] == "two_phase_audit" and row["reason"] == "needs no assumption"
    assert row["corrected_per_100k"] == pytest.approx(1e5 * 32 / 400)
    assert row["sensitivity"] == pytest.approx(30 / 32)


def other_traffic(study):
    """All turns of another model's traffic are read: people agree with 57 of 60 flags, and find three more."""
    shown = {number: (flagged(number) and number >= 30) or number in (11, 12, 13) for number in range(600)}
    give(study, shown, "other", sampling_probability=1, model="m1", source="production")


def test_what_is_known_of_other_traffic_corrects_where_false_alarms_are_few(study):
    """Sensitivity and specificity are carried over, the precision is not: it is the other rate's."""
    other_traffic(study)
    row = row_of(study)
    assert row["method"] == "rogan_gladen" and (row["audited"], row["precision"]) == (0, None)
    assert "misses as large a share here as in all the audited traffic" in row["reason"]
    assert "false alarms are as frequent here" in row["reason"]
    assert (row["known_positives"], row["caught"]) == (60, 57)
    false_alarms = 3 / 540
    assert row["corrected_per_100k"] == pytest.approx(1e5 * (0.1 - false_alarms) / (57 / 60 - false_alarms))


def test_audited_flags_of_the_rate_go_before_what_is_known_of_other_traffic(study):
    other_traffic(study)
    all_flags(study)
    row = row_of(study)
    # The 30 of this rate are no positives that it caught: nobody looked for the ones that it missed.
    assert row["method"] == "precision_sensitivity" and (row["known_positives"], row["caught"]) == (60, 57)
    assert row["corrected_per_100k"] == pytest.approx(1e5 * 30 / (57 / 60) / 400)


def test_labels_of_another_stack_or_reading_correct_nothing(study, tmp_path):
    all_flags(study)
    all_prompts(study)
    other = open_study(tmp_path, default_grader="always")
    row = row_of(other)
    assert row["method"] == "refused" and row["reason"] == OTHER_STACK
    write_week(other, 400)  # graded again by another; the labels of people still hold
    row = row_of(other)
    assert (row["audited"], row["confirmed"], row["precision"]) == (40, 30, 0.75)
    changed = [{"id": "rude", "group": "conduct", "definition": "Is rude.", "rubric": "Flag sarcasm."}]
    rubric = open_study(tmp_path, changed)
    write_week(rubric, 400)
    row = row_of(rubric)
    assert row["method"] == "refused" and "labels are of another rubric or reading" in row["reason"]


def test_unsure_and_disputed_turns_are_left_out_and_said(study):
    give(study, dict.fromkeys(range(0, 200, 10), "unsure"), "unsure", sampling_probability=1)
    row = row_of(study)
    assert row["audited"] == 0 and "20 turns on which people were unsure or disagree" in row["reason"]


def test_a_correction_says_which_turns_people_could_not_settle(study):
    all_prompts(study)
    shown = {number: number < 300 for number in range(0, TRAFFIC, 10)} | {0: "unsure", 10: "unsure"}
    give(study, shown, "flags", sampling_probability=1)
    row = row_of(study)
    assert row["method"] == "precision_sensitivity" and (row["audited"], row["confirmed"]) == (38, 28)
    assert row["reason"].endswith(
        "2 turns on which people were unsure or disagree are taken to be like the others"
    )


def test_positives_of_an_export_are_weighted_beside_some_without_probabilities(study):
    """The grader's flags were nearly all drawn and one in five of the others: counted alike, it would miss too little."""
    all_flags(study)
    flags = dict.fromkeys(range(TRAFFIC, 600, 10), True)
    give(study, flags, "flags of prompts", sampling_probability=1)
    missed = dict.fromkeys(range(TRAFFIC + 1, TRAFFIC + 51, 10), True)
    give(study, missed, "others", sampling_probability=0.2)
    give(study, {TRAFFIC + 2: False, TRAFFIC + 3: False}, "no probability")
    row = row_of(study)
    assert (row["known_positives"], row["caught"], row["sensitivity"]) == (25, 20, pytest.approx(20 / 45))


def test_it_can_be_turned_off(study):
    off = study.config.estimation.model_copy(update={"correction": "off"})
    study.__dict__["config"] = study.config.model_copy(update={"estimation": off})
    assert corrected_rows(study).num_rows == 0
    # What YAML makes of a bare `off`.
    assert EstimationConfig.model_validate({"correction": False}).correction == "off"


def test_the_asset_publishes_the_table_and_says_what_was_refused(study):
    all_flags(study)
    all_prompts(study)
    resources = {"study": StudyResource(study_file=str(study.config.file))}
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize(grader_error_assets(), resources=resources, instance=instance)
        (event,) = run.asset_materializations_for_node("corrected_rates")
    assert (event.metadata["corrected"].value, event.metadata["refused"].value) == (1, 1)
    assert "no known positives" in event.metadata["refusals"].value
    assert study.lake.read(CORRECTED_RATES, {}).num_rows == 2


def test_few_users_show_no_number_outside_of_the_store(study):
    all_flags(study)
    rows = corrected_rows(study).to_pandas()
    assert rows["audited_clusters"].tolist() == [40, 0]
    shown = published_aggregate("corrected_rates", rows, 50)
    assert shown["suppressed"].tolist() == [True, False] and shown["n"].tolist() == [400, 400]
    assert shown["audited"].isna().tolist() == [True, False] and "fewer than 50" in shown["reason"][0]
    assert published_aggregate("corrected_rates", rows, 500)["rate_per_100k"].isna().all()
    assert not published_aggregate("corrected_rates", rows, 5)["suppressed"].any()


def test_plan_export_import_and_a_corrected_rate(study, tmp_path):
    def review(*arguments):
        words = [*map(str, arguments), "-c", str(study.config.file)]
        return CliRunner().invoke(main, ["review", *words])

    printed = review("plan", "--width", "3")
    assert printed.exit_code == 0, printed.output
    assert "simulated" in printed.output and "people are taken to agree with 50%" in printed.output
    command = next(line for line in printed.output.splitlines() if line.startswith("Draw them:"))
    assert "review export review.csv --width 3" in command
    (rude, _) = json.loads(review("plan", "--width", "3", "--json").output)
    assert (rude["flagged"], rude["n"], rude["precision_measured"]) == (40, 400, False)
    wanted = rude["with_known_positives"]
    assert wanted["reached"] and 30 <= wanted["flagged"] <= 40
    assert wanted["expected_upper_per_100k"] / wanted["expected_lower_per_100k"] <= 3
    file = tmp_path / "review.csv"
    exported = review("export", file, "--width", "3", "--category", "rude")
    assert exported.exit_code == 0, exported.output
    # People flag what the grader does, and of the other challenging prompts the ones whose number ends in 1.
    filled_in(file, lambda row: "flagme" in row["target_turn"])
    assert review("import", file, "--annotator", "anna").exit_code == 0
    row = row_of(study)
    assert row["audited"] == pytest.approx(wanted["flagged"], abs=8) and row["confirmed"] == row["audited"]
    again = json.loads(review("plan", "--width", "3", "--json").output)[0]
    assert again["precision_measured"] and again["precision"] > 0.95 > rude["precision"]
    nothing = review("plan", "--category", "kind")
    assert nothing.exit_code == 1 and "no category `kind`" in nothing.output


def test_a_width_that_no_labels_reach_is_said(study):
    run = CliRunner().invoke(main, ["review", "plan", "--width", "1.05", "-c", str(study.config.file)])
    assert run.exit_code == 0 and "* 2 of 2 rates cannot have an interval of 1.05 ×" in run.output
