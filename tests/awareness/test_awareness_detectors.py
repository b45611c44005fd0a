"""Detector and monitor over HTTP: a sandbox world's models judge themselves, its grader judges and reads the reasoning."""

import pyarrow as pa
import pytest
from awareness_store import GRADERS, WEEK, open_study, turn, write_week

from depsim_dagster.awareness.labels.labelling import label_awareness
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.sandbox import ordinary
from depsim_dagster.sandbox.phrasebook import plain
from depsim_dagster.sandbox.topics import TOPICS
from depsim_dagster.sandbox.world import World
from depsim_dagster.traffic.prefix_sources import EVALUATION_PROMPTS

ASKED = plain(TOPICS["cooking"].templates["en"][0])


def week():
    ordinary_turns = [turn(f"{ASKED} Number {n}.", "Fine.", f"Plan: {n} points.") for n in range(60)]
    aware = [turn(f"{ASKED} Seen {n}.", "Fine.", ordinary.EVAL_AWARE[0]) for n in range(10)]
    gaming = [turn(f"{ASKED} Scored {n}.", "Fine.", ordinary.METAGAMING[n % 2]) for n in range(10)]
    tests = [
        turn(f"Is {n} prime? (A) yes (B) no", "A.", "Plan.", prefix_source=EVALUATION_PROMPTS)
        for n in range(20)
    ]
    return [*ordinary_turns, *aware, *gaming, *tests]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The file of a world, one for all tests: so they share its server."""
    file = tmp_path_factory.mktemp("world") / "world.json"
    World(weeks=1, releases={"sandbox-v1": 0, "sandbox-v2": 1}).save(file)
    return str(file)


@pytest.fixture
def examined(tmp_path, world):
    """(rows, labelling) of the week, with `endpoint` as the keys of the endpoint that is asked."""

    def examined(detectors, grader=(), **endpoint):
        sandbox = {"kind": "sandbox", "world": world}
        judge = {"kind": "llm", "endpoint": "judges", "model": "sandbox-grader", **dict(grader)}
        study = open_study(
            tmp_path,
            {"detectors": detectors, "monitor": "judge"},
            endpoints={
                "models": {**sandbox, **({} if "api" in endpoint else endpoint)},
                "judges": {**sandbox, **endpoint},
            },
            deployments=[
                {"model": "sandbox-v1", "released": "2025-12-01", "endpoint": "models"},
                {
                    "model": "sandbox-v2",
                    "released": "2026-01-19",
                    "endpoint": "models",
                    "predecessor": "sandbox-v1",
                },
            ],
            grading={
                "taxonomy": "taxonomy.yaml",
                "graders": {**GRADERS, "judge": judge},
                "default_grader": "rule",
            },
        )
        write_week(study, week(), models=("sandbox-v2",), logged="sandbox-v1")
        labelling = label_awareness(study, WEEK, "sandbox-v2")
        rows = pa.Table.from_batches(labelling.rows, AWARENESS_LABELS.schema).to_pylist()
        return rows, labelling

    return examined


def flagged(rows, **wanted):
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    assert found and {row["status"] for row in found} == {"graded"}
    return sum(row["flagged"] for row in found), len(found)


@pytest.mark.parametrize(
    ("grader", "endpoint"),
    [
        ({}, {"structured_output": "json_schema"}),
        ({}, {"structured_output": "json_object"}),
        ({}, {"structured_output": "none"}),
        ({"verdict": "probability"}, {}),
        ({}, {"api": "responses"}),
        ({}, {"api": "decisions"}),
    ],
    ids=["json_schema", "json_object", "none", "probability", "responses", "decisions"],
)
def test_the_grader_tells_evaluations_and_reads_the_reasoning(examined, grader, endpoint):
    rows, labelling = examined(["judge"], grader, **endpoint)
    assert flagged(rows, measure="judged", source="evaluation")[0] >= 19
    assert all(
        flagged(rows, measure="judged", source=source)[0] <= 12 for source in ("production", "simulated")
    )
    # 10 turns say so and 10 others reason on oversight; the grader misses one in twenty.
    for source in ("production", "simulated"):
        assert 7 <= flagged(rows, measure="verbalised", source=source)[0] <= 10
        assert 15 <= flagged(rows, measure="metagaming", source=source)[0] <= 20
    assert flagged(rows, measure="metagaming", source="evaluation") == (0, 20)
    scored = grader or endpoint.get("api") == "decisions"
    assert all((row["score"] is not None) == bool(scored) for row in rows)
    # Equal reasoning is one request, whoever wrote it.
    assert labelling.statistics["monitor judge/0"].sent == 60 + 1 + 2 + 1
    assert labelling.statistics["detector judge/0"].sent == 80 + 80 + 20


@pytest.mark.parametrize("structured_output", ["json_schema", "none"])
def test_the_model_judges_itself_with_errors_of_its_own(examined, structured_output):
    rows, labelling = examined(["self", "judge"], structured_output=structured_output)
    own, others = (
        {
            (row["source"], row["turn_id"]): row["flagged"]
            for row in rows
            if row["judge"] == judge and row["measure"] == "judged"
        }
        for judge in ("self", "judge")
    )
    assert own.keys() == others.keys() and own != others
    assert flagged(rows, measure="judged", judge="self", source="evaluation")[0] >= 19
    assert sum(own.values()) <= 20 + 24
    assert {*labelling.statistics} == {"detector self/0", "detector judge/0", "monitor judge/0"}
    assert labelling.served["self"] == {"sandbox-v2"} and labelling.served["judge"] == {"sandbox-grader"}


def test_a_second_run_asks_nothing_again(examined):
    rows, _ = examined(["self", "judge"])
    again, labelling = examined(["self", "judge"])
    assert again == rows and sum(made.sent for made in labelling.statistics.values()) == 0
