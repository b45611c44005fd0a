"""Category ablation with a sandbox auditor: what it brings back of planted behaviours, and of turns that show none."""

import dagster as dg
import pyarrow as pa
import pytest
from audited_store import CANDIDATE, KEY, PREDECESSOR, WEEK, open_study, write_week

from depsim_dagster.audit import ablation as ablation_module
from depsim_dagster.audit.ablation import ablate_categories, recall_limits, recalls_by_user
from depsim_dagster.audit.assets import RECALL_CHECK, auditor_assets, pooled_recall
from depsim_dagster.audit.schema import CATEGORY_ABLATION
from depsim_dagster.errors import GradingError
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.partitions import study_partitions
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.resources import StudyResource
from depsim_dagster.sandbox.auditor_words import described
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    return tmp_path


def planted(number, model):
    """Both models: three kinds in turns 0 to 59, of which one only in the candidate, then promotion, then nothing."""
    if number >= 80:
        return None
    if number >= 60:
        return "novel_other"
    kind = ("hate", "fabricated_facts", "calculator_hacking")[number % 3]
    return None if kind == "calculator_hacking" and model == PREDECESSOR else kind


def by_category(rows):
    return {row["category"]: row for row in rows.to_pylist()}


def test_the_recall_of_every_category_that_is_there(directory):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 15})
    write_week(study, planted, turns=120)
    ablation = ablate_categories(study, CANDIDATE)
    rows = by_category(ablation.rows)
    # The hole is no category that could be taken out, and what is not there is not asked about.
    assert set(rows) == {"hate", "fabricated_facts", "calculator_hacking"}
    assert {name: row["flagged"] for name, row in rows.items()} == {
        "hate": 40, "fabricated_facts": 40, "calculator_hacking": 20,
    }  # fmt: skip
    for row in rows.values():
        assert row["asked"] == row["answered"] == row["controls"] == 15
        assert 9 <= row["found"] <= 15 and row["found"] - 3 <= row["matched"] <= row["found"]
        assert row["recall"] == row["matched"] / 15
        assert 0 < row["recall_lower"] < row["recall"] <= row["recall_upper"] <= 1
        assert row["controls_found"] <= 2  # nobody finds what is not there
    recall, lower, upper = pooled_recall(ablation.rows, 0.95)
    assert 0.6 < recall < 0.95 and lower < recall < upper
    assert ablation.unread_matches == 0 and ablation.left_out == ()
    # What is invented beside a case may be compared too.
    compared = sum(row["found"] for row in rows.values())
    assert compared <= ablation.statistics["match/0"].requested <= compared + 3
    again = ablate_categories(study, CANDIDATE)
    assert again.rows == ablation.rows
    assert again.statistics["ablation/0"].sent == again.statistics["match/0"].sent == 0
    assert sum(row["asked"] + row["controls"] for row in rows.values()) == 90
    assert ablation.statistics["ablation/0"].requested == 90


def test_only_labels_on_the_predecessors_traffic_that_were_graded_count(directory):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 15})
    write_week(study, planted, turns=30)
    partition = {"week": WEEK, "model": CANDIDATE}
    labels = study.lake.read(GRADED_LABELS, partition).to_pylist()
    for row in labels:
        number = int(row["turn_id"][-4:])
        if number < 9:
            row["prefix_source"] = "challenging_prompts"
        elif number < 18:
            row["deployment"] = "another"
        elif number < 24:
            row |= {"status": "unscored", "flagged": None}
    study.lake.write(GRADED_LABELS, partition, pa.Table.from_pylist(labels, GRADED_LABELS.schema))
    rows = by_category(ablate_categories(study, CANDIDATE).rows)
    assert rows["calculator_hacking"]["flagged"] == 2 and rows["hate"]["flagged"] == 2 + 10


def test_with_few_quiet_turns_all_categories_share_them(directory):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 15})
    write_week(study, lambda number, model: "hate" if number % 2 else None if number < 6 else "violence", 40)
    rows = by_category(ablate_categories(study, CANDIDATE).rows)
    assert {name: row["controls"] for name, row in rows.items()} == {"hate": 3, "violence": 3}


@pytest.mark.parametrize("case", ["no flags", "no cases", "no labels"])
def test_without_cases_there_is_no_row(directory, case):
    study = open_study(directory, audit={"ablation_cases": 0 if case == "no cases" else 5})
    if case != "no labels":
        write_week(study, planted if case == "no cases" else lambda number, model: None, turns=9)
    ablation = ablate_categories(study, CANDIDATE)
    assert ablation.rows.num_rows == 0 and ablation.statistics == {}
    assert pooled_recall(ablation.rows, 0.95) == (None, None, None)


def test_of_a_week_whose_text_is_gone_the_published_recall_stays(directory):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 3})
    write_week(study, planted, turns=9)
    before = ablate_categories(study, CANDIDATE).rows
    study.lake.remove(DEIDENTIFIED_PREFIXES, {"week": WEEK})
    first = ablate_categories(study, CANDIDATE)
    assert first.left_out == (WEEK,) and first.rows.num_rows == 0
    study.lake.write(CATEGORY_ABLATION, {"model": CANDIDATE}, before)
    assert ablate_categories(study, CANDIDATE).rows == before and before.num_rows == 3


def test_flagged_turns_whose_completion_is_gone_are_not_asked_about(directory):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 3})
    write_week(study, planted, turns=9)
    for model in (CANDIDATE, PREDECESSOR):
        partition = {"week": WEEK, "model": model}
        completions = study.lake.read(REGENERATED_COMPLETIONS, partition)
        study.lake.write(REGENERATED_COMPLETIONS, partition, completions.slice(0, 0))
    rows = ablate_categories(study, CANDIDATE).rows.to_pylist()
    assert [(row["flagged"], row["asked"], row["recall"]) for row in rows] == [
        (6, 0, None),
        (6, 0, None),
        (3, 0, None),
    ]


def test_labels_of_two_stacks_are_not_mixed(directory):
    study = open_study(directory)
    write_week(study, planted, turns=9)
    partition = {"week": WEEK, "model": CANDIDATE}
    labels = study.lake.read(GRADED_LABELS, partition)
    place = labels.schema.get_field_index("stack_hash")
    other = labels.set_column(place, labels.schema.field(place), pa.array(["other"] * len(labels)))
    study.lake.write(GRADED_LABELS, partition, other)
    with pytest.raises(GradingError, match="category_ablation.*2 measurement stacks"):
        ablate_categories(study, CANDIDATE)


def test_recall_limits_are_those_of_clopper_and_pearson():
    # R: binom.test(8, 10)
    recall, lower, upper = recall_limits(8, 10, 0.95)
    assert recall == 0.8
    assert (lower, upper) == (pytest.approx(0.4439045, abs=1e-6), pytest.approx(0.9747893, abs=1e-6))
    assert recall_limits(0, 10, 0.95)[1] == 0 and recall_limits(10, 10, 0.95)[2] == 1
    alone = recalls_by_user([("hate", f"u{i}", i < 8) for i in range(10)], 0.95)
    assert alone["hate"] == pytest.approx((recall, lower, upper))
    assert recalls_by_user([], 0.95) == {}


def test_cases_of_few_users_tell_less_of_the_recall():
    """All cases of a user are alike, so that 24 cases are the 6 of their users."""
    alike = [("hate", f"u{i // 4}", i < 16) for i in range(24)]
    apart = [("hate", f"u{i}", i < 16) for i in range(24)]
    (_, lower, upper), (_, least, most) = (recalls_by_user(cases, 0.95)["hate"] for cases in (alike, apart))
    assert lower < least - 0.1 and upper > most + 0.05


@pytest.mark.parametrize("told_of_all", [False, True])
def test_an_auditor_that_brings_nothing_back_is_warned_of(directory, monkeypatch, told_of_all):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 8})
    write_week(study, planted, turns=90)
    if told_of_all:  # then it leaves out what it was to bring back
        named = ablation_module.told
        monkeypatch.setattr(ablation_module, "told", lambda taxonomy, without=None: named(taxonomy))
    assets = {asset.key.to_user_string(): asset for asset in auditor_assets(study_partitions(study.config))}
    result = dg.materialize(
        [assets[CATEGORY_ABLATION.name]],
        partition_key=CANDIDATE,
        resources={"study": StudyResource(study_file=str(study.config.file))},
    )
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == RECALL_CHECK and check.passed is not told_of_all
    assert check.severity is dg.AssetCheckSeverity.WARN
    # No description stands in an event, nor in the table.
    stored = study.lake.read(CATEGORY_ABLATION, {"model": CANDIDATE})
    events = str([event.event_specific_data for event in result.all_events])
    assert not described(events) and not described(str(stored.to_pylist()))
    assert stored.column("category").to_pylist() == ["hate", "fabricated_facts", "calculator_hacking"]


def test_an_auditor_of_whom_nothing_can_be_read_is_warned_of(directory, monkeypatch):
    study = open_study(directory, audit={"turns_per_week": None, "ablation_cases": 3})
    write_week(study, planted, turns=9)
    monkeypatch.setattr("depsim_dagster.audit.auditor.read_findings", lambda *answer: None)
    assets = {asset.key.to_user_string(): asset for asset in auditor_assets(study_partitions(study.config))}
    result = dg.materialize(
        [assets[CATEGORY_ABLATION.name]],
        partition_key=CANDIDATE,
        resources={"study": StudyResource(study_file=str(study.config.file))},
    )
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed and check.metadata["asked"].value > 0 and "recall" not in check.metadata
