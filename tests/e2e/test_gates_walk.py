"""No way around the gates: everything that can be wrong with a week stops its replay in every kind of run.

One small week is published once. Each fault then gets a copy of the whole study, and each copy is replayed in the run
that published it, in a later run, in a backfill over both models, and in another process. The endpoint is a socket that
nobody serves: a single call would be seen.
"""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from literal_traffic import (
    HOUR,
    MONDAY,
    NO_REPETITIONS,
    conversation,
    decision,
    exchange,
    write_consent,
    write_logs,
)
from small_study import REPOSITORY

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.errors import DepsimError
from depsim_dagster.gate_marks import GateStandard, mark_from_json
from depsim_dagster.lake import MANIFEST
from depsim_dagster.privacy import week as station
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.study_run import run_study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

WEEK, MODELS = "2026-01-05", ("m1", "m2")
PARTITION = {"week": WEEK}
KEY = "the study's key, of this test"
USERS = 6
WORDS = "A sentence that nobody else would write 7f3a."
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
STUDY = {
    "version": 1,
    "name": "walk",
    "seed": 3,
    "traffic": {
        "paths": ["logs.parquet"],
        "consent": {"ledger": "consent.parquet"},
        "as_of": "2026-02-02T00:00:00Z",
    },
    "weeks": {"first": "2026-01-05", "last": "2026-01-05"},
    "windows": {"forecast_weeks": 1, "observation_weeks": 1},
    "deployments": [
        {"model": "m1", "released": "2025-12-01", "endpoint": "nobody"},
        {"model": "m2", "released": "2026-01-12", "endpoint": "nobody", "predecessor": "m1"},
    ],
    "grading": {"graders": {"g": {"kind": "regex", "pattern": "x"}}, "default_grader": "g"},
    "privacy": {"canaries_per_type": 2},
    "sampling": {"duplicates": NO_REPETITIONS},
}


def account(number: int) -> str:
    return f"account-000{number}"


@pytest.fixture(scope="module")
def silence():
    """A port that is listened to by nobody who answers; at the end nobody may have knocked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
        assert not select.select([listener], [], [], 0)[0], "a request was sent"


@pytest.fixture(scope="module")
def published(tmp_path_factory, silence) -> Path:
    """The folder of a study whose one week came through its gates, and was not replayed."""
    folder = tmp_path_factory.mktemp("walk") / "published"
    folder.mkdir()
    write_study(folder, silence)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_HMAC_KEY", KEY)
        study = opened(folder)
        with dg.DagsterInstance.ephemeral() as instance:
            job = build_definitions(study.config, study.config.file).resolve_job_def("traffic")
            assert job.execute_in_process(instance=instance, partition_key=WEEK, run_config=QUIET).success
        assert sum(batch.num_rows for batch in study.lake.scan(DEIDENTIFIED_PREFIXES, PARTITION)) == USERS
    return folder


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)


def write_study(folder: Path, silence: socket.socket, **changes) -> None:
    text = f"Please improve this sentence. {WORDS}"
    # The last one writes an account id, which without de-identification is still there.
    mentions = [text] * (USERS - 1) + [f"{text} It is the ticket of {account(0)}."]
    write_logs(
        folder,
        [
            conversation(f"conversation-{number}", account(number), exchange(question=mentions[number]))
            for number in range(USERS)
        ],
    )
    write_consent(folder, [decision(account(number)) for number in range(USERS)])
    endpoint = {
        "kind": "openai",
        "base_url": f"http://127.0.0.1:{silence.getsockname()[1]}/v1",
        "max_attempts": 1,
    }
    study = {**STUDY, "endpoints": {"nobody": endpoint}, **changes}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def opened(folder: Path) -> Study:
    study = Study(load_study(folder / "study.yaml"))
    study.prepare_store()
    return study


# ---------------------------------------------------------------------------------------------------------------- faults
def manifest_file(folder: Path) -> Path:
    return DEIDENTIFIED_PREFIXES.directory(opened(folder).lake.root, PARTITION) / MANIFEST


def data_file(folder: Path) -> Path:
    return manifest_file(folder).parent / json.loads(manifest_file(folder).read_text())["data_file"]


def edit_manifest(folder: Path, edit: Callable[[dict], dict]) -> None:
    path = manifest_file(folder)
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))


def signed_anew(manifest: dict, key: str = KEY, week: str = WEEK, **changes) -> dict:
    """The manifest with its marks changed and signed by somebody who has a key."""
    standard = GateStandard(keys=lambda: (key.encode(),))
    marks = [
        asdict(standard.signed(replace(mark_from_json(mark), **changes), manifest["table"], {"week": week}))
        for mark in manifest["marks"]
    ]
    return manifest | {"marks": marks}


def flip_a_bit(folder: Path) -> None:
    content = bytearray(data_file(folder).read_bytes())
    content[len(content) // 2] ^= 1
    data_file(folder).write_bytes(content)


def remove_rows(folder: Path) -> None:
    """By somebody who knows the layout: file and manifest agree with each other, and the marks with neither."""
    from depsim_dagster.durable_files import file_digest

    old = data_file(folder)
    pq.write_table(pq.read_table(old, partitioning=None).slice(1), old)
    content = file_digest(old)
    old.rename(old.with_name(f"{content[:32]}.parquet"))
    edit_manifest(
        folder,
        lambda manifest: (
            manifest
            | {"content": content, "data_file": f"{content[:32]}.parquet", "rows": USERS - 1}
            | {"marks": [mark | {"content": content} for mark in manifest["marks"]]}
        ),
    )


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no marker": (
        lambda folder: edit_manifest(folder, lambda m: m | {"marks": []}),
        "no mark of the `consent` gate",
    ),
    "one marker of three": (
        lambda folder: edit_manifest(folder, lambda m: m | {"marks": m["marks"][:1]}),
        "no mark of the `privacy` gate",
    ),
    "no manifest": (lambda folder: manifest_file(folder).unlink(), "not published"),
    "a flipped bit": (flip_a_bit, "changed or damaged after it was published"),
    "rows removed": (remove_rows, "not signed with this study's key"),
    "an edited mark": (
        lambda folder: edit_manifest(
            folder, lambda m: m | {"marks": [mark | {"expectations": 99} for mark in m["marks"]]}
        ),
        "not signed with this study's key",
    ),
    "an unsigned mark": (
        lambda folder: edit_manifest(
            folder, lambda m: m | {"marks": [mark | {"signature": ""} for mark in m["marks"]]}
        ),
        "mark is not signed",
    ),
    "marks of another partition": (
        lambda folder: edit_manifest(folder, lambda m: signed_anew(m, week="2026-01-12")),
        "not signed with this study's key",
    ),
    "marks forged with another key": (
        lambda folder: edit_manifest(folder, lambda m: signed_anew(m, key="another key that was guessed")),
        "not signed with this study's key",
    ),
    "marks of other content": (
        lambda folder: edit_manifest(folder, lambda m: signed_anew(m, content="0" * 64)),
        "belongs to other content",
    ),
    "marks of another suite version": (
        lambda folder: edit_manifest(folder, lambda m: signed_anew(m, suite_version="e" * 64)),
        "passed version eeeeeeeeeeee",
    ),
    "marks of another de-identification": (
        lambda folder: edit_manifest(folder, lambda m: signed_anew(m, deidentification="e" * 64)),
        "another version or other settings of de-identification",
    ),
    "consent withdrawn after the publication": (
        lambda folder: withdraw_consent(folder),
        "consent for 1 turn(s) no longer holds",
    ),
}
GATE_FAILURES = ("a failed privacy gate", "a failed consent gate")
ALL = (*FAULTS, *GATE_FAILURES)


def fail_the_privacy_gate(folder: Path, silence: socket.socket) -> None:
    """A study that does not de-identify, and whose text holds an account id of the week."""
    engine = {"engine": "none", "reason": "to see the gate refuse it"}
    write_study(folder, silence, deidentification=engine)


def withdraw_consent(folder: Path) -> None:
    later = decision(account(0), granted=False, start=MONDAY + HOUR)
    write_consent(folder, [*(decision(account(number)) for number in range(USERS)), later])


def withdraw_consent_meanwhile(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Consent is withdrawn after the sample was drawn and before its gates are asked."""
    real = station.deidentify

    def deidentify(*arguments, **options):
        withdraw_consent(folder)
        return real(*arguments, **options)

    patch.setattr(station, "deidentify", deidentify)


@pytest.fixture(scope="module")
def broken(published, silence) -> dict[str, Path]:
    """Fault → the folder of a study that has it. Those whose gate failed had a good publication before."""
    folders = {}
    for number, fault in enumerate(ALL):
        folders[fault] = folder = published.with_name(f"fault-{number}")
        shutil.copytree(published, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_HMAC_KEY", KEY)
        for fault, (do, _) in FAULTS.items():
            do(folders[fault])
        fail_the_privacy_gate(folders["a failed privacy gate"], silence)
        traffic_fails(folders["a failed privacy gate"], "(account_identifiers_found) fails on 1 row(s)")
        with pytest.MonkeyPatch.context() as meanwhile:
            withdraw_consent_meanwhile(folders["a failed consent gate"], meanwhile)
            traffic_fails(folders["a failed consent gate"], "(consent_holds) fails on 1 row(s)")
    return folders


def traffic_fails(folder: Path, says: str) -> None:
    study = opened(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(study.config, study.config.file).resolve_job_def("traffic")
        run = job.execute_in_process(
            instance=instance, partition_key=WEEK, run_config=QUIET, raise_on_error=False
        )
    assert not run.success and says in failure_of(run)


def failure_of(run: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in run.all_events if event.is_step_failure]
    return failure.step_failure_data.error_display_string


def expected(fault: str) -> str:
    return FAULTS[fault][1] if fault in FAULTS else "not published"


def nothing_was_replayed(study: Study) -> None:
    assert study.lake.published(REGENERATED_COMPLETIONS) == []
    assert not [path for path in study.lake.journal_directory.rglob("*") if path.is_file()]


# ------------------------------------------------------------------------------------------------------------- the walk
def test_without_a_fault_the_week_can_be_read(published):
    """What the faults are measured against: the same folder, unbroken, in another place."""
    rows = opened(published).lake.read(DEIDENTIFIED_PREFIXES, PARTITION, columns=["prefix"])
    assert rows.num_rows == USERS


@pytest.mark.parametrize("fault", ALL)
def test_in_the_same_run(fault, published, silence, tmp_path, monkeypatch):
    """The whole study in one run: its traffic step publishes, the fault strikes, its simulation step has to refuse."""
    folder = tmp_path / "study"
    shutil.copytree(published, folder)
    if fault == "a failed privacy gate":
        fail_the_privacy_gate(folder, silence)
    if fault == "a failed consent gate":
        withdraw_consent_meanwhile(folder, monkeypatch)
    study, seen = opened(folder), []

    def on_step(step, state):
        seen.append((step.job, state))
        if fault in FAULTS and (step.job, state) == ("traffic", "done"):
            FAULTS[fault][0](folder)

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(DepsimError) as refused:
        run_study(study, build_definitions(study.config, study.config.file), instance, on_step)
    stopped_in = ("simulation", "started") if fault in FAULTS else ("traffic", "started")
    assert seen[-1] == stopped_in
    assert (expected(fault) if fault in FAULTS else "not published. ") in str(refused.value)
    assert WORDS not in str(refused.value)
    nothing_was_replayed(study)


@pytest.mark.parametrize("fault", ALL)
def test_in_a_later_run(fault, broken):
    study = opened(broken[fault])
    with dg.DagsterInstance.ephemeral() as instance:
        run = simulate(study, instance, MODELS[0])
    assert not run.success and expected(fault) in failure_of(run)
    nothing_was_replayed(study)


@pytest.mark.parametrize("fault", ALL)
def test_in_a_backfill(fault, broken):
    """Every partition of the week, as the runs of one backfill: the first refusal does not let the second through."""
    study = opened(broken[fault])
    with dg.DagsterInstance.ephemeral() as instance:
        for model in MODELS:
            run = simulate(study, instance, model, {"dagster/backfill": "walk"})
            assert not run.success and expected(fault) in failure_of(run)
        assert {record.status for record in instance.get_runs()} == {dg.DagsterRunStatus.FAILURE}
    nothing_was_replayed(study)


def simulate(study: Study, instance: dg.DagsterInstance, model: str, tags=None) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(study.config, study.config.file)
    return definitions.resolve_job_def("simulation").execute_in_process(
        instance=instance,
        partition_key=dg.MultiPartitionKey({"week": WEEK, "model": model}),
        run_config=QUIET,
        raise_on_error=False,
        tags=tags,
    )


ELSEWHERE = """
import json, sys
import dagster as dg
from test_gates_walk import MODELS, failure_of, opened, simulate
from pathlib import Path

said = {}
for folder in sys.argv[1:]:
    with dg.DagsterInstance.ephemeral() as instance:
        run = simulate(opened(Path(folder)), instance, MODELS[1])
        said[folder] = None if run.success else failure_of(run)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def elsewhere(broken, tmp_path_factory) -> tuple[dict[str, str], str, Path]:
    """Folder → what another process said when it was asked to replay it; all it printed; and its temporary folder."""
    tests, temporary = Path(__file__).resolve().parents[1], tmp_path_factory.mktemp("temporary")
    environment = os.environ | {
        "DEPSIM_HMAC_KEY": KEY,
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, tests, tests / "e2e"))),
    }
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, broken.values())],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr, temporary


@pytest.mark.parametrize("fault", ALL)
def test_in_another_process(fault, broken, elsewhere):
    said = elsewhere[0][str(broken[fault])]
    assert said is not None and expected(fault) in said
    nothing_was_replayed(opened(broken[fault]))


def test_another_process_leaves_no_text_behind(elsewhere):
    _, printed, temporary = elsewhere
    assert WORDS not in printed
    assert not [
        path for path in temporary.rglob("*") if path.is_file() and WORDS.encode() in path.read_bytes()
    ]


# ------------------------------------------------------------------------------------------------------------ the marks
def test_a_failed_gate_takes_an_older_publication_out(broken):
    """Or a week whose consent was withdrawn would be replayed from what it was before."""
    for fault in GATE_FAILURES:
        lake = opened(broken[fault]).lake
        assert lake.manifest(DEIDENTIFIED_PREFIXES, PARTITION) is None
        assert lake.manifest(SAMPLED_TRAFFIC, PARTITION) is not None


def test_a_moved_store_is_read_with_the_key_and_not_without(published, tmp_path, monkeypatch):
    """Nothing hangs on the machine or the path; everything hangs on the key."""
    shutil.copytree(published, tmp_path / "elsewhere")
    lake = opened(tmp_path / "elsewhere").lake
    assert lake.read(DEIDENTIFIED_PREFIXES, PARTITION, columns=["turn_id"]).num_rows == USERS
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "the key after the rotation")
    with pytest.raises(DepsimError, match="not signed with this study's key"):
        lake.read(DEIDENTIFIED_PREFIXES, PARTITION)
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", KEY)
    assert lake.read(DEIDENTIFIED_PREFIXES, PARTITION, columns=["turn_id"]).num_rows == USERS
    monkeypatch.delenv("DEPSIM_HMAC_KEY")
    with pytest.raises(DepsimError, match="set the environment variable DEPSIM_HMAC_KEY"):
        lake.read(DEIDENTIFIED_PREFIXES, PARTITION)


# ------------------------------------------------------------------------------------------------------------- no leaks
def test_a_refused_week_leaves_no_text_in_dagster_or_logs(
    published, silence, tmp_path, caplog, capfd, monkeypatch
):
    """Validation results, events, checks, exceptions and logs of a gate that failed: not a word of the conversations."""
    folder, home = tmp_path / "study", tmp_path / "dagster"
    shutil.copytree(published, folder)
    home.mkdir()
    fail_the_privacy_gate(folder, silence)
    study = opened(folder)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        job = build_definitions(study.config, study.config.file).resolve_job_def("traffic")
        run = job.execute_in_process(instance=instance, partition_key=WEEK, raise_on_error=False)
        assert not run.success
        checks = [event for event in run.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
        assert {event.asset_check_evaluation_data.check_name for event in checks} == {
            "consent_gate",
            "privacy_gate",
            "canaries_gate",
        }
    printed = capfd.readouterr()
    assert "account_identifiers_found" in printed.err + caplog.text, "the refusal itself is logged"
    assert WORDS not in printed.out + printed.err + caplog.text
    needles = [WORDS.encode(), *(account(number).encode() for number in range(USERS))]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files and not [path for path in files if any(needle in path.read_bytes() for needle in needles)]
    # What the gate refused waits in quarantine for a person, and the next attempt clears it away.
    (refused,) = (study.lake.root / "_quarantine").rglob("*.parquet")
    write_study(folder, silence)
    with dg.DagsterInstance.ephemeral() as instance:
        study = opened(folder)
        job = build_definitions(study.config, study.config.file).resolve_job_def("traffic")
        assert job.execute_in_process(instance=instance, partition_key=WEEK, run_config=QUIET).success
    assert not refused.exists() and not list((study.lake.root / "_quarantine").rglob("*.parquet"))


DIES = """
import os, sys
from pathlib import Path
from test_gates_walk import WEEK, opened
from depsim_dagster.privacy import week as station

def dies(*arguments, real=station.deidentify):
    for batch in real(*arguments):
        yield batch
        os._exit(9)

station.deidentify = dies
station.publish_week(opened(Path(sys.argv[1])), WEEK)
"""


def test_a_process_that_dies_at_the_gate_leaves_the_old_week_and_no_leftovers(published, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(published, folder)
    tests = Path(__file__).resolve().parents[1]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, tests, tests / "e2e"))),
    }
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(folder)], env=environment, capture_output=True, text=True
    )
    assert died.returncode == 9, died.stderr[-2000:]
    study = opened(folder)
    for left in (study.lake.root / "_quarantine").rglob("*.parquet"):
        assert WORDS.encode() not in left.read_bytes()
    before = study.lake.read(DEIDENTIFIED_PREFIXES, PARTITION)
    station.publish_week(study, WEEK)
    assert not list((study.lake.root / "_quarantine").rglob("*.parquet"))
    after = study.lake.read(DEIDENTIFIED_PREFIXES, PARTITION)
    assert isinstance(before, pa.Table) and after.equals(before)
