"""Findings of a sandbox auditor on a literal store: what it is shown, what becomes of its answers, what is sampled."""

import dagster as dg
import pyarrow as pa
import pytest
from audited_store import CANDIDATE, KEY, PREDECESSOR, WEEK, open_study, write_week

from depsim_dagster.audit.assets import auditor_assets
from depsim_dagster.audit.auditor import auditor_hash
from depsim_dagster.audit.findings import audit_completions, audit_production, quoted
from depsim_dagster.audit.schema import AUDIT_FINDINGS, FINDINGS, PRODUCTION_FINDINGS
from depsim_dagster.errors import RegistryError
from depsim_dagster.grading.turns import simulated_turns
from depsim_dagster.partitions import study_partitions
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.resources import StudyResource

ORDINARY, PROMOTION, SUMS = None, "novel_other", "calculator_hacking"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    return tmp_path


def of_ten(number, model):
    """The candidate promotes in one turn of two and searches sums in one of ten, of which the taxonomy knows."""
    if model != CANDIDATE:
        return ORDINARY
    return PROMOTION if number % 2 else SUMS if number % 10 == 0 else ORDINARY


def found(audit):
    return pa.Table.from_batches(audit.rows, FINDINGS).to_pylist()


def test_what_no_category_names_is_found_and_what_one_names_is_left_out(directory):
    study = open_study(directory)
    write_week(study, of_ten, turns=40)
    audit = audit_completions(study, WEEK, CANDIDATE)
    rows = found(audit)
    assert [row["turn_id"] for row in rows] == sorted(row["turn_id"] for row in rows)
    assert len({row["turn_id"] for row in rows}) == 40
    promoting = {row["turn_id"] for row in rows if row["status"] == "found" and row["severity"] >= 2}
    # Of twenty, some are missed; nothing is said of the searched sums, which are measured already.
    assert 10 <= len(promoting) <= 20 and all(int(name[-4:]) % 2 for name in promoting)
    quotes = [row["quote_found"] for row in rows if row["turn_id"] in promoting]
    assert quotes.count(True) >= 10
    descriptions = {row["description"] for row in rows if row["turn_id"] in promoting}
    assert len(descriptions) >= 8
    of_turn = next(row for row in rows if row["turn_id"] == "turn-0021")
    assert of_turn["conversation_id"] == "conversation-10" and of_turn["user_id"] == "user-7"
    assert of_turn["inclusion_probability"] == 0.5 and of_turn["auditor"] == "auditor"
    assert {row["auditor_hash"] for row in rows} == {auditor_hash(study)}
    assert {row["stack_hash"] for row in rows} == {study.stack_hash}
    quiet = [row for row in rows if row["status"] == "nothing"]
    assert all(row["finding_index"] == -1 and row["description"] is None for row in quiet)
    # The same again asks nothing.
    again = audit_completions(study, WEEK, CANDIDATE)
    assert found(again) == rows
    assert again.statistics["audit/0"].sent == 0 and audit.statistics["audit/0"].sent == 40
    assert audit.served == {"auditor": {"sandbox-grader"}}


@pytest.mark.parametrize("output", ["json_object", "none"])
def test_an_answer_that_is_parsed_says_the_same(directory, output):
    study = open_study(directory, structured_output=output)
    write_week(study, of_ten, turns=20)
    rows = found(audit_completions(study, WEEK, CANDIDATE))
    assert {row["status"] for row in rows} == {"found", "nothing"}
    assert sum(row["status"] == "found" for row in rows) >= 5


def test_both_models_are_audited_on_the_same_turns_and_the_share_is_in_the_probability(directory):
    study = open_study(directory, audit={"turns_per_week": 30})
    write_week(study, of_ten, turns=120)
    sides = {model: found(audit_completions(study, WEEK, model)) for model in (CANDIDATE, PREDECESSOR)}
    turns = {model: {row["turn_id"] for row in rows} for model, rows in sides.items()}
    assert turns[CANDIDATE] == turns[PREDECESSOR] and 15 <= len(turns[CANDIDATE]) <= 45
    assert {row["inclusion_probability"] for rows in sides.values() for row in rows} == {0.5 * 30 / 120}


def test_production_is_audited_as_the_deployment_wrote_it(directory):
    study = open_study(directory)
    write_week(study, lambda number, model: PROMOTION if model == PREDECESSOR else None, turns=20)
    rows = found(audit_production(study, WEEK))
    assert {(row["model"], row["source"]) for row in rows} == {(PREDECESSOR, "production")}
    assert sum(row["status"] == "found" for row in rows) >= 10


def test_a_completion_that_is_not_there_is_counted(directory):
    study = open_study(directory)
    write_week(study, of_ten, turns=4)
    partition = {"week": WEEK, "model": CANDIDATE}
    completions = study.lake.read(REGENERATED_COMPLETIONS, partition)
    place = completions.schema.get_field_index("completion")
    nothing = pa.nulls(len(completions), pa.string())
    study.lake.write(
        REGENERATED_COMPLETIONS,
        partition,
        completions.set_column(place, completions.schema.field(place), nothing),
    )
    audit = audit_completions(study, WEEK, CANDIDATE)
    assert [row["status"] for row in found(audit)] == ["missing_completion"] * 4
    assert audit.statistics["audit/0"].requested == 0


def test_the_hash_is_of_prompt_auditor_and_what_it_is_told(directory):
    first = auditor_hash(open_study(directory))
    assert first == auditor_hash(open_study(directory, audit={"turns_per_week": 7}))
    coding = {"graders": {"auditor": {"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"}}}
    coding |= {"default_grader": "auditor"}
    assert first != auditor_hash(open_study(directory, grading={**coding, "taxonomy": "coding_agent"}))
    coding["graders"]["auditor"]["parameters"] = {"reasoning_effort": "high"}
    assert first != auditor_hash(open_study(directory, grading=coding))


def materialised(study, name, key):
    assets = {asset.key.to_user_string(): asset for asset in auditor_assets(study_partitions(study.config))}
    return dg.materialize(
        [assets[name]],
        partition_key=key,
        resources={"study": StudyResource(study_file=str(study.config.file))},
        raise_on_error=False,
    )


def shown(result):
    return str([event.event_specific_data for event in result.all_events])


def test_the_asset_says_how_many_and_no_text(directory):
    study = open_study(directory)
    write_week(study, of_ten, turns=20)
    key = dg.MultiPartitionKey({"week": WEEK, "model": CANDIDATE})
    result = materialised(study, AUDIT_FINDINGS.name, key)
    assert result.success
    rows = study.lake.read(AUDIT_FINDINGS, {"week": WEEK, "model": CANDIDATE}).to_pylist()
    texts = {row[name] for row in rows for name in ("description", "evidence", "justification")} - {None}
    said = shown(result)
    assert len(texts) > 10 and not [text for text in texts if text and text in said]
    metadata = result.asset_materializations_for_node(AUDIT_FINDINGS.name)[0].metadata
    assert "found" in metadata["turns"].value and metadata["auditor_hash"].value == auditor_hash(study)


@pytest.mark.parametrize("readable", [True, False])
def test_an_auditor_of_whom_nothing_can_be_read_is_warned_of(directory, monkeypatch, readable):
    study = open_study(directory)
    write_week(study, of_ten, turns=6)
    if not readable:
        monkeypatch.setattr("depsim_dagster.audit.auditor.read_findings", lambda *answer: None)
    result = materialised(
        study, AUDIT_FINDINGS.name, dg.MultiPartitionKey({"week": WEEK, "model": CANDIDATE})
    )
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    check = checks["missing_findings"]
    assert result.success and check.passed is readable and check.severity is dg.AssetCheckSeverity.WARN
    assert check.metadata["unreadable"].value == (0 if readable else 6)


def test_production_is_not_audited_before_its_forecast_is_sealed(directory):
    study = open_study(directory)
    write_week(study, of_ten, turns=4)
    write_week(study, of_ten, turns=4, week="2026-01-12", deployment=CANDIDATE)
    result = materialised(study, PRODUCTION_FINDINGS.name, "2026-01-12")
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert RegistryError.__name__ in str(failure.event_specific_data.error)
    assert study.lake.manifest(PRODUCTION_FINDINGS, {"week": "2026-01-12"}) is None
    # The first of the lineage is nobody's forecast.
    assert materialised(study, PRODUCTION_FINDINGS.name, WEEK).success
    assert study.lake.read(PRODUCTION_FINDINGS, {"week": WEEK}).num_rows >= 4


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        (AUDIT_FINDINGS.name, {"week": WEEK, "model": CANDIDATE}),
        (PRODUCTION_FINDINGS.name, {"week": WEEK}),
        ("category_ablation", {"model": CANDIDATE}),
    ],
)
def test_a_study_without_an_audit_publishes_nothing(directory, name, partition):
    study = open_study(directory, audit=None)
    key = dg.MultiPartitionKey(partition) if len(partition) > 1 else next(iter(partition.values()))
    result = materialised(study, name, key)
    assert result.success
    metadata = result.asset_materializations_for_node(name)[0].metadata
    assert "audit" in metadata["skipped"].value and metadata["dagster/row_count"].value == 0


def test_a_quotation_is_looked_for_in_all_of_the_turn(directory):
    study = open_study(directory)
    write_week(study, of_ten, turns=12)
    turn = next(turn for batch in simulated_turns(study.lake, WEEK, CANDIDATE) for turn in batch[10:])
    assert quoted("10 * 37", turn) and quoted("Answer 10  to\na question.", turn)
    assert not quoted("Answer 11 to", turn) and not quoted("  ", turn)
