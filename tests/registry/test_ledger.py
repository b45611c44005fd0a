"""A seal is one file that is created: killed anywhere, the next call finishes it, and two processes make one chain."""

import json
import os
from collections import Counter

import pytest

from depsim_dagster.durable_files import create_once
from depsim_dagster.errors import RegistryError
from depsim_dagster.registry import ledger
from depsim_dagster.registry.seal import chain_entries, open_outcome, seal, verified_forecast
from depsim_dagster.registry.verify import require_intact, verify_study

SOME = {"rude": (3, 60), "sly": (0, 60), "wrong": (20, 60)}
OTHER = {"rude": (9, 60), "sly": (1, 60), "wrong": (20, 60)}
# What a process does to the disk; it is killed before each of these calls in turn.
WRITES = ("fsync", "link", "replace", "unlink", "mkdir", "rename", "rmdir")
KILLED = 9


@pytest.fixture
def rows(study, simulated):
    """The forecast of v2 on labels that this makes."""
    import datetime as dt

    from depsim_dagster.registry.forecast_rows import forecast_rows

    def rows(counts, model="v2", before="v1", week="2026-01-12"):
        simulated(study, week, model, (before, counts))
        return forecast_rows(study, model, dt.date(2026, 1, 1))

    return rows


def in_child(work):
    """Run in a process of its own; returns its exit code."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed_before(number, work):
    """Whether a process that is killed before its `number`th write did not get to its end."""

    def doomed():
        calls = Counter()

        def counted(function):
            def call(*arguments, **settings):
                calls["writes"] += 1
                if calls["writes"] == number:
                    os._exit(KILLED)
                return function(*arguments, **settings)

            return call

        for name in WRITES:
            setattr(os, name, counted(getattr(os, name)))
        work()

    code = in_child(doomed)
    assert code in (0, KILLED)
    return code == KILLED


@pytest.mark.parametrize("case", ["forecast", "amendment", "opening"])
def test_killed_at_any_write_the_next_run_finishes(study, rows, tmp_path, case):
    import shutil

    lake = study.lake
    forecast = rows(SOME)
    if case != "forecast":
        seal(lake, "v2", forecast)
    if case == "amendment":
        forecast = rows(OTHER)
    before, kept = len(chain_entries(lake)), tmp_path / "kept"
    shutil.copytree(lake.root, kept)

    def work():
        if case == "opening":
            open_outcome(lake, "v2", "2026-01-19", ["2026-01-12"])
        else:
            seal(lake, "v2", forecast)

    states, number = Counter(), 0
    while True:
        number += 1
        shutil.rmtree(lake.root)
        shutil.copytree(kept, lake.root)
        killed = killed_before(number, work)
        left = verify_study(study)
        states[len(left.entries) - before, left.intact] += 1
        # Unfinished at worst: a killed process looks like no tampering.
        assert {finding.severity for finding in left.findings} <= {"unfinished", "changed"}
        work()
        entries = chain_entries(lake)
        assert len(entries) == before + 1 and verify_study(study).intact
        assert verified_forecast(lake, "v2").num_rows == 3
        assert not [path for path in ledger.folder(lake.root).iterdir() if path.name.startswith(".")]
        if not killed:
            break
    # Killed before the entry, between the entry and what follows from it, and after everything.
    assert states[0, True] and states[1, True]
    assert states[1, False]


def test_scoring_finishes_what_a_killed_seal_left(study, rows):
    seal(study.lake, "v2", rows(SOME))
    seal(study.lake, "v2", rows(OTHER))
    entries = chain_entries(study.lake)
    ledger.write_head(study.lake.root, study.lake.signing_keys()[0], entries[0])
    assert [finding.severity for finding in verify_study(study).findings] == ["unfinished"]
    require_intact(study)
    assert verify_study(study).intact


def test_two_processes_make_one_chain(study, rows):
    models = {"v2": "v1", "v3": "v2", "v4": "v3"}
    weeks = {"v2": "2026-01-12", "v3": "2026-01-26", "v4": "2026-02-09"}
    forecasts = {model: rows(SOME, model, before, weeks[model]) for model, before in models.items()}
    reading, writing = os.pipe()
    children = []
    for model in models:
        process = os.fork()
        if process == 0:
            code = 1
            try:
                os.close(writing)
                os.read(reading, 1)  # all start when the parent lets go
                seal(study.lake, model, forecasts[model])
                open_outcome(study.lake, model, "2026-03-02", [])
                code = 0
            finally:
                os._exit(code)
        children.append(process)
    os.close(writing)
    os.close(reading)
    for _ in range(5):  # who verifies meanwhile sees no half of a seal
        assert verify_study(study).findings == ()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    entries = chain_entries(study.lake)
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert Counter((entry.model, entry.kind) for entry in entries) == {
        (model, kind): 1 for model in models for kind in ("forecast", "outcome_opened")
    }
    assert verify_study(study).intact


def test_an_entry_is_never_replaced_past_the_lock(study, rows, monkeypatch):
    """On a file system whose locks do not hold, the second writer is refused."""
    seal(study.lake, "v2", rows(SOME))
    before = {path.name: path.read_bytes() for path in ledger.folder(study.lake.root).iterdir()}
    monkeypatch.setattr("depsim_dagster.registry.seal._finished", lambda lake: [])
    with pytest.raises(
        RegistryError, match="00000001.json: another process wrote this entry at the same time"
    ):
        seal(study.lake, "v3", rows(SOME, "v3", "v2", "2026-01-26"))
    assert before == {path.name: path.read_bytes() for path in ledger.folder(study.lake.root).iterdir()}


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_is_created_whole_and_once(tmp_path, monkeypatch, hard_links):
    if not hard_links:

        def refused(*paths):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refused)
    create_once(tmp_path / "entry", b"first")
    with pytest.raises(FileExistsError):
        create_once(tmp_path / "entry", b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["entry"] and (
        tmp_path / "entry"
    ).read_bytes() == b"first"


def test_a_full_disk_is_an_error_that_says_so(study, rows, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "create_once", full)
    with pytest.raises(RegistryError, match=r"_registry: cannot be written \(No space left on device\)"):
        seal(study.lake, "v2", rows(SOME))


def test_an_entry_holds_hashes_and_numbers_and_names_no_user(study, rows):
    seal(study.lake, "v2", rows(SOME))
    (entry,) = chain_entries(study.lake)
    assert entry.statement.snapshots[0][:2] == ("graded_labels", {"week": "2026-01-12", "model": "v2"})
    assert entry.code_version.startswith("0.") and "+" in entry.code_version
    content = json.loads((ledger.folder(study.lake.root) / "00000001.json").read_text())
    assert "user-" not in json.dumps(content) and study.config.hmac_key.decode() not in json.dumps(content)
