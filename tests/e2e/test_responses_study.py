"""A study whose models are asked through the Responses API and graded through it and through Decisions, and the same
study over chat."""

import json
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from small_study import SMALL_STUDY, write_study

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.replay.journal.response_journal import Journal
from depsim_dagster.replay.regenerate import PREFIX_COLUMNS, regenerate
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

WEEK = "2026-01-12"  # the last full week before the release of sandbox-v2
REPLAY = {"week": WEEK, "model": "sandbox-v2"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def responses_study(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("responses")
    sandbox = SMALL_STUDY["endpoints"]["sandbox"]
    graders = {
        "writing": {"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"},
        "deciding": {"kind": "llm", "endpoint": "decisions", "model": "sandbox-grader"},
        "both": {"kind": "ensemble", "members": ["writing", "deciding"]},
    }
    file = write_study(
        directory,
        small_world,
        weeks={"first": "2026-01-12", "last": "2026-01-19"},
        sampling={"turns_per_week": 60},
        endpoints={
            "sandbox": {**sandbox, "api": "responses"},
            "decisions": {**sandbox, "api": "decisions"},
        },
        grading={"graders": graders, "default_grader": "both"},
    )
    home = directory / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        definitions = build_definitions(load_study(file), file)
        steps = {"traffic": WEEK, "simulation": dg.MultiPartitionKey(REPLAY)}
        for name, key in steps.items():
            job = definitions.resolve_job_def(name)
            assert job.execute_in_process(instance=instance, partition_key=key, run_config=QUIET).success
    return file


def completions(rows) -> dict[tuple[str, int], dict]:
    """What each draw says and how it ended; not what it was called by."""
    found = {}
    for row in rows:
        message = json.loads(row["completion"])
        said = {key: value for key, value in message.items() if value}
        found[row["turn_id"], row["completion_index"]] = (row["status"], row["completion_tokens"], said)
    return found


def test_what_responses_answers_is_graded_by_responses_and_by_decisions(responses_study):
    study = Study(load_study(responses_study))
    labels = study.lake.read(GRADED_LABELS, REPLAY)
    # An ensemble of two has no verdict where they disagree: here they never do.
    assert set(labels.column("status").to_pylist()) == {"graded"}
    turns = len(labels) // len(study.taxonomy.categories)
    for endpoint in ("sandbox", "decisions"):
        answered = Counter()
        journal = study.journal(endpoint, "sandbox-grader")
        for batch in journal.outcomes(journal.known_ids()):
            answered.update(batch.column("status").to_pylist())
        # Equal completions are one grading call, and no verdict had to be asked for again.
        assert set(answered) == {"ok"} and 0.9 * turns <= answered["ok"] <= turns


def test_the_same_study_over_chat_gives_the_same_completions(responses_study, small_world, tmp_path_factory):
    by_responses = Study(load_study(responses_study))
    directory = tmp_path_factory.mktemp("chat")
    # The Responses API takes no seed, so that the sandbox draws the same only without one.
    sandbox = {**SMALL_STUDY["endpoints"]["sandbox"], "seed": False}
    by_chat = Study(load_study(write_study(directory, small_world, endpoints={"sandbox": sandbox})))
    prefixes = by_responses.lake.scan(DEIDENTIFIED_PREFIXES, {"week": WEEK}, columns=PREFIX_COLUMNS)
    replayed = regenerate(
        by_chat.config,
        WEEK,
        REPLAY["model"],
        prefixes,
        by_chat.endpoint("sandbox"),
        Journal(directory / "journal"),
    )
    chat = completions(row for batch in replayed.rows for row in batch.to_pylist())
    table = by_responses.lake.read(REGENERATED_COMPLETIONS, REPLAY)
    same = completions(table.to_pylist()) == chat
    assert same and len(chat) >= 50
    assert set(table.column("finish_reason").to_pylist()) <= {"completed", "max_output_tokens"}
