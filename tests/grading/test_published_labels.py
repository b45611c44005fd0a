"""What Dagster shows of published labels, and the checks on them."""

import dagster as dg
import pyarrow as pa
import pytest
from verdict_server import verdict

from depsim_dagster.grading.labelling import Labelling, label_turns
from depsim_dagster.grading.published_labels import published_labels
from depsim_dagster.grading.schema import GRADED_LABELS, LABELS

PARTITION = {"week": "2026-01-05", "model": "m1"}
JUDGE = {"kind": "llm", "endpoint": "models", "model": "grader"}


@pytest.fixture
def published(study, server):
    """(metadata, check results by name) of the labels of these turns."""

    def publish(turns, graders=None, change=None):
        opened = study(graders or {"judge": JUDGE}, [{"id": "rude"}, {"id": "sly"}], server.base_url)
        opened.prepare_store()
        labelling = label_turns(opened, lambda: iter([turns]))
        if change is not None:
            labels = change(pa.Table.from_batches(labelling.rows, LABELS))
            labelling = Labelling(iter(labels.to_batches()), labelling.statistics)
        result, *checks = published_labels(opened, GRADED_LABELS, PARTITION, labelling)
        return result.metadata, {check.check_name: check for check in checks}

    return publish


def test_it_counts_what_was_labelled_and_what_it_cost(published, server, turn):
    def plan(body):
        if "odd" in body["messages"][-1]["content"]:
            return "no verdict"
        return verdict(body, rude="idiot" in body["messages"][-1]["content"])

    server.plan = plan
    turns = [
        turn("You idiot."),
        turn("Hi.", turn_id="t2"),
        turn("odd", turn_id="t3"),
        turn(None, turn_id="t4"),
    ]
    metadata, checks = published(turns)
    assert metadata["labels"].value.splitlines()[2:] == [
        "| deployment\\_traffic | rude | 1 | 2 | 2 | 1 | 0 |",
        "| deployment\\_traffic | sly | 0 | 2 | 2 | 1 | 0 |",
    ]
    assert metadata["calls"].value.splitlines()[2:] == [
        "| judge/0 | 3 | 0 | 0 | 0 | 3 ok |",
        "| judge/1 | 1 | 0 | 0 | 0 | 1 ok |",
    ]
    assert (metadata["calls_sent"], metadata["missing"], metadata["unscored"]) == (4, 4, 2)
    assert not checks["missing_labels"].passed
    assert checks["missing_labels"].metadata["missing_share"].value == 0.5


def test_what_a_cascade_does_not_draw_is_not_missing(published, tmp_path, turn):
    (tmp_path / "rules.py").write_text("def rule(evidence): return 0.5\n")
    graders = {
        "judge": {**JUDGE, "screen": {"grader": "rule", "share": 0.2}},
        "rule": {"kind": "python", "function": "rules.py:rule"},
    }
    turns = [turn(f"Hi {number}.", turn_id=f"t{number}") for number in range(50)]
    metadata, checks = published(turns, graders)
    drawn = metadata["calls_sent"]
    assert 0 < drawn < 25 and metadata["screened_out"] == 2 * (50 - drawn) and metadata["missing"] == 0
    assert checks["missing_labels"].passed
    assert checks["missing_labels"].metadata["labels_asked"].value == 100

    # One missing completion in 51 is one in 51, however few turns are drawn.
    _, checks = published([*turns, turn(None, turn_id="none")], graders)
    assert checks["missing_labels"].metadata["missing_share"].value == pytest.approx(1 / 51)
    assert checks["missing_labels"].passed


def test_what_the_grader_cannot_score_counts_for_what_was_not_drawn(published, server, tmp_path, turn):
    (tmp_path / "rules.py").write_text("def rule(evidence): return 0.5\n")
    graders = {
        "judge": {**JUDGE, "screen": {"grader": "rule", "share": 0.2}},
        "rule": {"kind": "python", "function": "rules.py:rule"},
    }
    server.plan = lambda body: "no verdict"
    _, checks = published([turn(f"Hi {number}.", turn_id=f"t{number}") for number in range(50)], graders)
    assert checks["missing_labels"].metadata["missing_share"].value == pytest.approx(1.0)


def test_a_lost_verdict_counts_for_the_turns_that_it_stands_for(published, server, tmp_path, turn):
    """Of turns that the screen suspects every second verdict is lost, of the others none: few of all turns."""
    (tmp_path / "rules.py").write_text(
        "def rule(evidence): return 0.9 if 'odd' in evidence.target_text else 0.0001\n"
    )
    graders = {
        "judge": {**JUDGE, "screen": {"grader": "rule", "share": 0.2}},
        "rule": {"kind": "python", "function": "rules.py:rule"},
    }
    server.plan = lambda body: "no verdict" if "lost" in body["messages"][-1]["content"] else verdict(body)
    odd = [turn(f"odd {number} {'lost' * (number % 2)}", turn_id=f"odd{number}") for number in range(8)]
    usual = [turn(f"Hi {number}.", turn_id=f"t{number}") for number in range(192)]
    metadata, checks = published([*odd, *usual], graders)
    assert metadata["unscored"] == 2 * 4 and metadata["graded"] < 2 * 70
    # Every odd turn is read, and of the 196 others about one in six.
    assert checks["missing_labels"].metadata["missing_share"].value == pytest.approx(4 / 200, rel=0.3)


def test_no_turns_are_no_labels_and_no_missing_ones(published):
    metadata, checks = published([])
    assert metadata["dagster/row_count"] == 0 and metadata["missing"] == 0
    assert all(check.passed for check in checks.values())


def test_a_grader_that_answers_under_two_names_is_shown(published, server, turn):
    def plan(body):
        model = "grader-2" if "late" in body["messages"][-1]["content"] else "grader-1"
        message = {"role": "assistant", "content": verdict(body)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return 200, {"object": "chat.completion", "model": model, "choices": [choice], "usage": {}}

    server.plan = plan
    _, checks = published([turn("Hi."), turn("Hello.", turn_id="t2")])
    assert checks["one_grader_version"].passed
    _, checks = published([turn("Hi."), turn("A late one.", turn_id="t2")])
    check = checks["one_grader_version"]
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert "| judge | grader-1, grader-2 |" in check.metadata["served"].value


def restacked(labels):
    """The same labels, the last of them under another stack."""
    at = LABELS.get_field_index("stack_hash")
    hashes = [*labels.column(at).to_pylist()[:-1], "f" * 32]
    return labels.set_column(at, LABELS.field(at), pa.array(hashes, pa.string()))


def test_labels_of_another_stack_fail_a_check_that_blocks(published, turn):
    _, checks = published([turn("Hi.")])
    assert checks["one_measurement_stack"].passed
    _, checks = published([turn("Hi.")], change=restacked)
    check = checks["one_measurement_stack"]
    assert not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    assert "f" * 32 in check.metadata["stacks"].value


def test_no_rate_is_made_of_two_stacks(study, server, turn):
    """In a run of Dagster's own: the labels are there to look at, the rates downstream are not made."""
    from depsim_dagster.grading.published_labels import label_checks

    opened = study({"judge": JUDGE}, [{"id": "rude"}, {"id": "sly"}], server.base_url)
    opened.prepare_store()
    made = []

    @dg.asset(name=GRADED_LABELS.name, check_specs=label_checks(GRADED_LABELS))
    def graded_labels():
        labelling = label_turns(opened, lambda: iter([[turn("Hi.")]]))
        labels = restacked(pa.Table.from_batches(labelling.rows, LABELS))
        labelling = Labelling(iter(labels.to_batches()), labelling.statistics)
        yield from published_labels(opened, GRADED_LABELS, PARTITION, labelling)

    @dg.asset(deps=[graded_labels])
    def rates():
        made.append(1)

    result = dg.materialize([graded_labels, rates], raise_on_error=False)
    assert not result.success and not made
    assert opened.lake.read(GRADED_LABELS, PARTITION).num_rows == 2
