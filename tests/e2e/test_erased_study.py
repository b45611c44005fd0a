"""`depsim forget` on a whole study: nothing of the person is left in any byte of it, and the study can be run again.

The search opens what hides text from a search of bytes: pages of Parquet files, SQLite and DuckDB files.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from small_study import REPOSITORY

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.privacy.erasure.forget import FOLDER, erased_users, interrupted, sample_changes
from depsim_dagster.privacy.erasure.records import receipts
from depsim_dagster.registry.seal import verified_forecast
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.pseudonyms import pseudonym
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

# The person's own files, which the command tells them to clean up themselves.
SOURCES = ("traffic", "sandbox", "consent.parquet", "world.json")
GAZETTEER = "gazetteer-"  # in the cache: 60 MB made of packages, before any log is read
SHORTEST_TEXT = 25
DEADLINE_S = 120


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", "DEPSIM_STUDY", "DEPSIM_HMAC_KEY", "DEPSIM_HMAC_KEY_PREVIOUS"):
        monkeypatch.delenv(name, raising=False)


def copied(finished_study: Path, directory: Path) -> Study:
    shutil.copytree(finished_study.parent, directory, symlinks=True)
    return Study(load_study(directory / "study.yaml"))


def depsim(*arguments: object, stdin: str = "") -> str:
    ran = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert ran.exit_code == 0, ran.output
    return ran.output


# ------------------------------------------------------------------------------------------------------------ the person
@dataclass(frozen=True)
class Person:
    """A user of the logs with what of them must be found nowhere: ids, pseudonyms, and sentences that nobody else has."""

    account: str
    ids: frozenset[str]
    sentences: frozenset[str]
    turns: int


def person(study: Study) -> Person:
    """The user with the most sampled turns."""
    rows = [
        row
        for manifest in study.lake.published(SAMPLED_TRAFFIC)
        for row in study.lake.read(SAMPLED_TRAFFIC, manifest.partition).to_pylist()
    ]
    (user, turns), *_ = Counter(row["user_id"] for row in rows).most_common(1)
    own_turns = {row["turn_id"] for row in rows if row["user_id"] == user}
    key = study.config.hmac_key
    logs = [
        row
        for file in sorted(study.config.path("traffic").glob("*.parquet"))
        for row in pq.ParquetFile(file).read(columns=["conversation_id", "user_id"]).to_pylist()
    ]
    own_logs = [row for row in logs if pseudonym(key, "user", row["user_id"] or "") == user]
    conversations = {row["conversation_id"] for row in own_logs}
    own, others = set(), []
    for is_own, text in texts(study, user, own_turns):
        if is_own:
            own.add(text)
        else:
            others.append(text)
    elsewhere = "\n".join(others)
    return Person(
        own_logs[0]["user_id"],
        frozenset(
            {own_logs[0]["user_id"], user, *own_turns, *conversations}
            | {pseudonym(key, "conversation", each) for each in conversations}
        ),
        frozenset(text for text in own if len(text) >= SHORTEST_TEXT and text not in elsewhere),
        turns,
    )


def texts(study: Study, user: str, turns: set[str]) -> Iterator[tuple[bool, str]]:
    """(whether it is of the user, a message) of every text table."""
    for table in (SAMPLED_TRAFFIC, DEIDENTIFIED_PREFIXES, REGENERATED_COMPLETIONS):
        for manifest in study.lake.published(table):
            for row in study.lake.read(table, manifest.partition).to_pylist():
                is_own = row["turn_id"] in turns or row.get("user_id") == user
                for column in ("prefix", "target", "completion"):
                    messages = json.loads(row.get(column) or "[]")
                    for message in messages if isinstance(messages, list) else [messages]:
                        yield is_own, message.get("content") or ""


# ------------------------------------------------------------------------------------------------------------ the search
def found(needles: frozenset[str], *folders: Path, half_written: bool = False) -> dict[str, list[str]]:
    """Needle → the files in which it stands, of all folders with everything below them. A file that a killed process left
    half written cannot be searched, and fails unless it is expected."""
    hits: dict[str, list[str]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            passed_over = relative.parts[0] in SOURCES or path.name.startswith(GAZETTEER)
            if passed_over or path.is_symlink() or not path.is_file():
                continue
            try:
                content = searchable(path)
            except pa.ArrowInvalid:
                if not half_written:
                    raise
                continue
            for needle in needles:
                if needle in content:
                    hits.setdefault(needle, []).append(str(relative))
    return hits


def searchable(path: Path) -> str:
    """A file's name and bytes as text, and the values of the formats that compress or split them."""
    content = path.read_bytes()
    parts = [str(path), content.decode("utf-8", "replace"), content.decode("utf-16-le", "replace")]
    if content[:4] == b"PAR1":
        parts += values(pq.ParquetFile(path).read().to_pylist())
    elif content[:15] == b"SQLite format 3":
        with sqlite3.connect(path) as database:
            for (table,) in database.execute(
                "select name from sqlite_master where type = 'table'"
            ).fetchall():
                parts += values(database.execute(f'select * from "{table}"').fetchall())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as database:
            for (table,) in database.execute("show tables").fetchall():
                parts += values(database.execute(f'select * from "{table}"').fetchall())
    return "\n".join(parts)


def values(value: object) -> Iterator[str]:
    """Every value as text, and as it reads once JSON in it is decoded."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from values(key)
            yield from values(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from values(part)
    else:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        yield text
        if text[:1] in ("[", "{"):
            try:
                yield from values(json.loads(text))
            except ValueError:
                return


def answered(study: Study) -> int:
    base_url = study.endpoint("sandbox").base_url
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/sandbox/stats") as response:
        return sum(json.load(response)["completions_by_model"].values())


# ------------------------------------------------------------------------------------------------------------- the tests
def test_nothing_is_left_of_a_person_and_the_study_runs_again(finished_study, tmp_path):
    study = copied(finished_study, tmp_path / "study")
    cache = Path(os.environ["DEPSIM_CACHE_DIR"])
    gone = person(study)
    assert gone.turns >= 2 and len(gone.sentences) >= 4
    before = found(gone.ids | gone.sentences, tmp_path / "study")
    # The search sees what is there: tables, journal, warehouse.
    places = {Path(place).parts[0] for hits in before.values() for place in hits}
    assert set(gone.sentences) <= set(before) and {"store", "warehouse.duckdb"} <= places
    forecast, calls = verified_forecast(study.lake, "sandbox-v2"), answered(study)
    labels = {
        (manifest.table, *manifest.partition.values()): manifest.rows
        for table in (GRADED_LABELS, PRODUCTION_LABELS)
        for manifest in study.lake.published(table)
    }

    output = depsim("forget", "--from-file", "-", "-c", study.config.file, stdin=gone.account)
    assert "1 of 1 user(s) had rows" in output and not any(name in output for name in gone.ids)
    assert found(gone.ids | gone.sentences, tmp_path / "study", cache) == {}
    assert answered(study) == calls
    assert verified_forecast(study.lake, "sandbox-v2").equals(forecast)
    (receipt,) = set(receipts(study.lake).column("receipt_id").to_pylist())
    assert receipt in study.config.path("report.json").read_text(encoding="utf-8")
    for change in sample_changes(study.lake).to_pylist():
        keys = (change["week"], change["model"]) if change["source"] == "simulated" else (change["week"],)
        left = study.lake.manifest(
            {table.name: table for table in (GRADED_LABELS, PRODUCTION_LABELS)}[change["table"]],
            dict(zip(("week", "model"), keys, strict=False)),
        )
        assert labels[change["table"], *keys] - left.rows == 20 * change["turns_removed"] > 0

    depsim("study", "run", "-c", study.config.file)
    status = depsim("study", "status", "-c", study.config.file)
    assert "10 of 10 partitions published" in status
    # Somebody else is sampled in the person's place; what is paid for is one verdict on each of those turns.
    assert 0 < answered(study) - calls <= gone.turns
    assert verified_forecast(study.lake, "sandbox-v2").equals(forecast)
    assert found(gone.ids | gone.sentences, tmp_path / "study", cache) == {}
    assert pseudonym(study.config.hmac_key, "user", gone.account) in erased_users(study.lake, study.config)


def test_an_erasure_that_is_killed_is_finished_by_the_next_command(finished_study, tmp_path):
    study = copied(finished_study, tmp_path / "study")
    gone = person(study)
    command = [
        sys.executable,
        "-m",
        "depsim_dagster.cli",
        "forget",
        "--from-file",
        "-",
        "-c",
        str(study.config.file),
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as killed:
        killed.stdin.write(gone.account)
        killed.stdin.close()
        deadline = time.monotonic() + DEADLINE_S
        plans = study.lake.root / FOLDER
        # The plan is on disk and the gates, which take seconds, are not through.
        while not list(plans.glob("*.json")) and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    (plan,) = plans.glob("*.json")
    assert gone.account not in plan.read_text() and not any(
        text in plan.read_text() for text in gone.sentences
    )
    assert found(gone.sentences, tmp_path / "study", half_written=True) != {}
    depsim("forget", "somebody-who-has-no-rows", "-c", study.config.file)
    assert not interrupted(study.lake)
    assert found(gone.ids | gone.sentences, tmp_path / "study") == {}
    rows = receipts(study.lake).to_pandas().groupby("receipt_id")["rows_removed"].sum()
    assert sorted(rows > 0) == [False, True]


def test_a_study_whose_text_was_purged_keeps_what_was_counted(finished_study, tmp_path):
    study = copied(finished_study, tmp_path / "study")
    settings = yaml.safe_load(study.config.file.read_text(encoding="utf-8"))
    settings["privacy"] = settings.get("privacy", {}) | {"retention_days": 30}
    study.config.file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    own = sorted({text for _, text in texts(study, "", set()) if len(text) >= SHORTEST_TEXT})[::20]
    forecast, calls = verified_forecast(study.lake, "sandbox-v2"), answered(study)
    assert len(own) > 20 and set(found(frozenset(own), tmp_path / "study")) == set(own)
    depsim("purge", "--today", "2026-06-01", "-c", study.config.file)
    assert found(frozenset(own), tmp_path / "study") == {}
    depsim("study", "run", "-c", study.config.file)
    status = depsim("study", "status", "-c", study.config.file)
    assert "7 of 10 partitions published, 3 purged" in status
    assert answered(study) == calls and verified_forecast(study.lake, "sandbox-v2").equals(forecast)
