"""The registry of a store: what `depsim registry` finds, what it lets pass, and what only an export elsewhere shows."""

import dataclasses
import datetime as dt
import hashlib
import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from depsim_dagster.cli import main
from depsim_dagster.errors import RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import MANIFEST, file_digest
from depsim_dagster.privacy.erasure.records import SAMPLE_CHANGES
from depsim_dagster.registry import ledger
from depsim_dagster.registry.export import export_entries, export_registry, read_export
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows, is_final
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION, REGISTERED_FORECASTS
from depsim_dagster.registry.seal import chain_entries, open_outcome, outcome_opened, seal, verified_forecast
from depsim_dagster.registry.verify import against, require_intact, verify_study

TODAY = dt.date(2026, 1, 1)
SOME = {"rude": (3, 60), "sly": (0, 60), "wrong": (20, 60)}
OTHER = {"rude": (9, 60), "sly": (1, 60), "wrong": (20, 60)}


def sealed(study, model):
    return seal(study.lake, model, forecast_rows(study, model, TODAY))


@pytest.fixture
def registered(study, simulated, observed):
    """v2 amended, opened, graded and scored; v3 sealed."""
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    sealed(study, "v2")
    simulated(study, "2026-01-12", "v2", ("v1", OTHER))
    sealed(study, "v2")
    open_outcome(study.lake, "v2", "2026-01-19", ["2026-01-12"])
    observed(study, "2026-01-19", ("v2", SOME))
    study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))
    simulated(study, "2026-01-26", "v3", ("v2", SOME))
    sealed(study, "v3")
    return study


def depsim(study, *arguments):
    result = CliRunner().invoke(main, ["registry", *map(str, arguments), "-c", str(study.config.file)])
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def problems(study):
    return [(found.severity, found.model, str(found)) for found in verify_study(study).findings]


# ------------------------------------------------------------------------------------------------------- amendments
def test_an_amendment_is_added_and_the_latest_one_counts(registered):
    rows = registered.lake.read(REGISTERED_FORECASTS, {"model": "v2"})
    first, latest = rows.slice(0, 3), rows.slice(3)
    assert (set(first["amendment"].to_pylist()), set(latest["amendment"].to_pylist())) == ({0}, {1})
    assert first["k"].to_pylist() == [3, 0, 20] and latest["k"].to_pylist() == [9, 1, 20]
    assert verified_forecast(registered.lake, "v2").equals(latest.combine_chunks())
    entries = chain_entries(registered.lake)
    assert [(entry.kind, entry.model, entry.amendment) for entry in entries] == [
        ("forecast", "v2", 0),
        ("amendment", "v2", 1),
        ("outcome_opened", "v2", 1),
        ("forecast", "v3", 0),
    ]
    assert first["forecast_hash"].to_pylist() == [entries[0].hash] * 3
    scored = registered.lake.read(POST_RELEASE_CALIBRATION, {"model": "v2"})
    assert set(scored["forecast_hash"].to_pylist()) == {entries[1].hash}


def test_an_opened_outcome_closes_the_forecast_before_any_label(study, simulated):
    """Grading that fails has still looked."""
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    before = sealed(study, "v2")
    assert not outcome_opened(study.lake, "v2") and not is_final(study, "v2")
    for week in ("2026-01-19", "2026-01-26"):  # the second week opens nothing new
        open_outcome(study.lake, "v2", week, ["2026-01-12"])
    assert len(chain_entries(study.lake)) == 2
    assert outcome_opened(study.lake, "v2") and is_final(study, "v2")
    simulated(study, "2026-01-12", "v2", ("v1", OTHER))
    with pytest.raises(
        RegistryError, match=r"v2: its outcome was opened on .* week 2026-01-19 \(entry 2 .* new store"
    ):
        sealed(study, "v2")
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    assert sealed(study, "v2").equals(before)


def test_an_outcome_that_could_not_be_forecast_is_opened_too(study, simulated):
    open_outcome(study.lake, "v2", "2026-01-19", ["2026-01-12"])
    ((entry,)) = chain_entries(study.lake)
    assert (entry.kind, entry.amendment, entry.statement) == ("outcome_opened", None, None)
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    with pytest.raises(RegistryError, match="would not be blind"):
        sealed(study, "v2")


def test_an_outcome_is_not_opened_without_its_forecast(study, simulated):
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    with pytest.raises(RegistryError, match="whose forecast is not sealed"):
        open_outcome(study.lake, "v2", "2026-01-19", ["2026-01-12"])
    assert chain_entries(study.lake) == []


def test_who_seals_after_the_release_has_no_registered_forecast(study, simulated, backdate):
    """Whatever day the rows were made on."""
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    backdate(study, dt.datetime(2026, 1, 17, tzinfo=dt.UTC))
    rows = forecast_rows(study, "v2", dt.date(2026, 1, 18))
    at = dt.datetime(2026, 1, 19, tzinfo=dt.UTC)
    assert set(rows["kind"]) == {"registered"}
    late = seal(study.lake, "v2", rows, now=at)
    assert set(late["kind"].to_pylist()) == {"retrospective"}


def test_a_clock_behind_the_registry_is_refused_and_a_little_behind_is_not(study, simulated, backdate):
    at = dt.datetime(2026, 1, 18, tzinfo=dt.UTC)
    for model, before, week in (("v2", "v1", "2026-01-12"), ("v3", "v2", "2026-01-26")):
        simulated(study, week, model, (before, SOME))
    backdate(study, at - dt.timedelta(days=2))
    seal(study.lake, "v2", forecast_rows(study, "v2", TODAY), now=at)
    backdate(study, at - dt.timedelta(days=2))
    rows = forecast_rows(study, "v3", TODAY)
    with pytest.raises(RegistryError, match="entry 1 of the registry was made at 2026-01-18.* clock"):
        seal(study.lake, "v3", rows, now=at - dt.timedelta(days=1))
    seal(study.lake, "v3", rows, now=at - dt.timedelta(minutes=5))
    assert len({entry.sealed_at for entry in chain_entries(study.lake)}) == 1 and verify_study(study).intact


def test_labels_published_while_the_forecast_is_made_are_noticed(study, simulated):
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    rows = forecast_rows(study, "v2", TODAY)
    simulated(study, "2026-01-12", "v2", ("v1", OTHER))
    with pytest.raises(RegistryError, match="published while its forecast was being made; run again"):
        seal(study.lake, "v2", rows)
    assert chain_entries(study.lake) == []


def test_labels_on_other_traffic_are_no_snapshot_of_the_forecast(study, simulated):
    simulated(study, "2026-01-12", "v2", ("v1", SOME))
    simulated(study, "2026-01-12", "v1", ("v9", SOME))
    sealed(study, "v2")
    (entry,) = chain_entries(study.lake)
    assert [partition["model"] for _, partition, _ in entry.statement.snapshots] == ["v2"]


# ----------------------------------------------------------------------------------------------------- verification
def test_an_intact_registry_says_so_and_what_it_cannot_say(registered):
    code, output = depsim(registered, "verify")
    assert (
        code == 0 and f"intact: 4 entries, the last one {chain_entries(registered.lake)[-1].hash}" in output
    )
    assert "sign a whole registry anew" in output and "--against FILE" in output
    code, output = depsim(registered, "verify", "--json")
    assert code == 0 and json.loads(output) == {
        "intact": True,
        "entries": 4,
        "head": chain_entries(registered.lake)[-1].hash,
        "compared_with_export": None,
        "findings": [],
    }


def test_an_empty_registry_is_intact(study):
    assert depsim(study, "verify")[0] == 0
    for command in (["list"], ["show", "v2"], ["export", study.config.path("out.json")]):
        code, output = depsim(study, *command)
        assert code == 1 and "nothing is registered yet" in output


def lake_file(study, table, partition):
    directory = table.directory(study.lake.root, partition)
    return directory, directory / json.loads((directory / MANIFEST).read_text())["data_file"]


def forge(study, table, partition, rows):
    """As whoever can write to the store could: data and manifest agree."""
    directory, file = lake_file(study, table, partition)
    pq.write_table(rows, file)
    manifest = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(
        json.dumps(manifest | {"content": file_digest(file), "rows": rows.num_rows})
    )


def edit_the_rows(study):
    rows = study.lake.read(REGISTERED_FORECASTS, {"model": "v2"}).to_pylist()
    rows[4]["rate_per_100k"] += 1
    forge(
        study, REGISTERED_FORECASTS, {"model": "v2"}, pa.Table.from_pylist(rows, REGISTERED_FORECASTS.schema)
    )


def damage_the_rows(study):
    lake_file(study, REGISTERED_FORECASTS, {"model": "v2"})[1].write_bytes(b"no Parquet")


def damage_the_outcome(study):
    lake_file(study, PRODUCTION_LABELS, {"week": "2026-01-19"})[1].write_bytes(b"no Parquet")


def delete_the_first_forecast(study):
    rows = study.lake.read(REGISTERED_FORECASTS, {"model": "v2"}).slice(3)
    forge(study, REGISTERED_FORECASTS, {"model": "v2"}, rows)


def score_another_forecast(study):
    scores = study.lake.read(POST_RELEASE_CALIBRATION, {"model": "v2"}).to_pylist()
    rows = [row | {"forecast_hash": "0" * 64} for row in scores]
    forge(
        study,
        POST_RELEASE_CALIBRATION,
        {"model": "v2"},
        pa.Table.from_pylist(rows, POST_RELEASE_CALIBRATION.schema),
    )


def grade_without_opening(study):
    labels = study.lake.read(PRODUCTION_LABELS, {"week": "2026-01-19"}).to_pylist()
    rows = [row | {"model": "v3", "week": "2026-02-02"} for row in labels]
    study.lake.write(
        PRODUCTION_LABELS, {"week": "2026-02-02"}, pa.Table.from_pylist(rows, PRODUCTION_LABELS.schema)
    )


def grade_before_opening(study):
    directory, _ = lake_file(study, PRODUCTION_LABELS, {"week": "2026-01-19"})
    manifest = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps(manifest | {"published_at": "2026-01-20T00:00:00+00:00"}))


@pytest.mark.parametrize(
    ("tampering", "severity", "model", "said"),
    [
        (edit_the_rows, "broken", "v2", "row 5 (sly) does not match its seal in rate_per_100k"),
        (damage_the_rows, "broken", "v2", "was changed or damaged after it was published"),
        (damage_the_outcome, "broken", None, "production_labels[week=2026-01-19]: cannot be read: "),
        (delete_the_first_forecast, "broken", "v2", "was edited after sealing"),
        (
            score_another_forecast,
            "broken",
            "v2",
            "was scored against a forecast that no entry holds (000000000000)",
        ),
        (
            grade_without_opening,
            "broken",
            "v3",
            "(2026-02-02): were published and no entry of the registry opens them",
        ),
        (grade_before_opening, "broken", "v2", "were published (week 2026-01-19) before entry 3 opened them"),
        (
            lambda study: shutil.rmtree(REGISTERED_FORECASTS.directory(study.lake.root, {"model": "v3"})),
            "unfinished",
            "v3",
            "its rows are absent; entry 4 holds them",
        ),
        (
            lambda study: (ledger.folder(study.lake.root) / "00000002.json").unlink(),
            "broken",
            None,
            "entry 2: was deleted",
        ),
    ],
)
def test_tampering_is_named_with_a_way_out_and_nothing_is_scored(
    registered, tampering, severity, model, said
):
    tampering(registered)
    found = problems(registered)
    assert any(found[:2] == (severity, model) and said in found[2] and "; " in found[2] for found in found), (
        found
    )
    code, output = depsim(registered, "verify")
    assert code == 1 and f"{severity}: " in output and said in output and "NOT INTACT" in output
    with pytest.raises(RegistryError, match="not intact, so it is not exported"):
        export_registry(registered, registered.config.path("out.json"))
    if severity == "broken":
        with pytest.raises(RegistryError, match="so nothing is scored against it|^registry: entry"):
            require_intact(registered)


def test_a_deleted_registry_is_found_and_never_begun_again(registered):
    shutil.rmtree(ledger.folder(registered.lake.root))
    said = "no entry of the registry holds its rows"
    assert {
        model for severity, model, text in problems(registered) if severity == "broken" and said in text
    } == {"v2", "v3"}
    for refused in (
        lambda: sealed(registered, "v2"),
        lambda: sealed(registered, "v3"),
        lambda: open_outcome(registered.lake, "v3", "2026-02-02", ["2026-01-26"]),
        lambda: calibration_rows(registered, "v2"),
    ):
        with pytest.raises(RegistryError, match=f"{said}.* restore the store from a backup"):
            refused()
    assert chain_entries(registered.lake) == []


def test_edited_rows_come_back_from_the_entries(registered):
    before = registered.lake.read(REGISTERED_FORECASTS, {"model": "v2"})
    edit_the_rows(registered)
    with pytest.raises(RegistryError, match="delete its folder and materialise it again"):
        sealed(registered, "v2")
    shutil.rmtree(REGISTERED_FORECASTS.directory(registered.lake.root, {"model": "v2"}))
    sealed(registered, "v2")
    assert registered.lake.read(REGISTERED_FORECASTS, {"model": "v2"}).equals(before)
    assert verify_study(registered).intact


def test_the_marks_of_another_key_are_told(registered, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "the key after its rotation")
    assert "not signed with the study's key" in depsim(registered, "verify")[1]
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", "the key of the registry's tests")
    assert depsim(registered, "verify")[0] == 0


# --------------------------------------------------------------------------------------------- what is no tampering
def test_data_that_was_erased_or_purged_is_told_and_breaks_nothing(registered, simulated):
    lake = registered.lake
    simulated(registered, "2026-01-12", "v2", ("v1", SOME))
    assert [found[:2] for found in problems(registered)] == [("changed", "v2")]
    assert (
        "graded_labels[week=2026-01-12, model=v2]: was published again with other content"
        in problems(registered)[0][2]
    )
    change = {
        "week": "2026-01-12", "model": "v2", "source": "simulated", "table": GRADED_LABELS.name, "turns_removed": 1,
        "receipt_id": "r", "changed_at": dt.datetime.now(dt.UTC),
    }  # fmt: skip
    lake.write(SAMPLE_CHANGES, {}, pa.Table.from_pylist([change], SAMPLE_CHANGES.schema))
    assert "lost turns to an erasure after entry 2 was sealed from it" in problems(registered)[0][2]
    lake.remove(GRADED_LABELS, {"week": "2026-01-26", "model": "v3"})
    assert [found[:2] for found in problems(registered)] == [("changed", "v2"), ("changed", "v3")]
    assert verify_study(registered).intact
    code, output = depsim(registered, "verify")
    assert code == 0 and "changed: graded_labels" in output and "intact: 4 entries" in output
    require_intact(registered)
    export_registry(registered, registered.config.path("out.json"))


# ------------------------------------------------------------------------------------------------------------ export
def test_an_export_is_canonical_checks_itself_and_names_nobody(registered):
    one, other = registered.config.path("one.json"), registered.config.path("other.json")
    assert depsim(registered, "export", one)[0] == 0
    exported = export_registry(registered, other)
    content = one.read_bytes()
    assert content == other.read_bytes() and hashlib.sha256(content).hexdigest() == exported.file_hash
    assert (exported.entries, exported.without_rows) == (4, 0)
    assert [entry.hash for entry in read_export(one)] == [
        entry.hash for entry in chain_entries(registered.lake)
    ]
    text = content.decode()
    signatures = [entry.signature for entry in chain_entries(registered.lake)]
    for secret in (registered.config.hmac_key.decode(), "user-", "user_id", *signatures):
        assert secret not in text
    code, output = depsim(registered, "export", one)  # the same again
    assert code == 0 and exported.file_hash in output and exported.head_hash in output
    one.write_text("something else")
    code, output = depsim(registered, "export", one)
    assert code == 1 and "holds something else" in output and one.read_text() == "something else"


def test_an_export_neither_reads_nor_replaces_what_is_no_file(registered):
    """A device may have no end, and to replace it would take it from the machine."""
    pipe = registered.config.path("pipe")
    os.mkfifo(pipe)
    code, output = depsim(registered, "export", pipe)
    assert code == 1 and "name another file" in output and pipe.is_fifo()


@pytest.mark.parametrize("without_rows", [True, False])
def test_any_edit_of_an_export_is_noticed_without_a_key(registered, without_rows):
    file = registered.config.path("out.json")
    depsim(registered, "export", file, *(["--without-rows"] if without_rows else []))
    document = json.loads(file.read_bytes())
    assert len(export_entries(document)) == 4
    assert [item["rows"] is None or not item["entry"]["statement"] for item in document["entries"]] == [
        without_rows or number == 2 for number in range(4)
    ]
    edits = [
        lambda edited: edited["entries"].pop(1),
        lambda edited: edited["entries"].pop(),
        lambda edited: edited["entries"].reverse(),
        lambda edited: edited["entries"][0]["entry"].update(sealed_at="2026-01-01T00:00:00.000000+00:00"),
        lambda edited: edited["entries"][0]["entry"]["statement"].update(stack_hash="x"),
        lambda edited: edited["head"].update(hash="x"),
        lambda edited: edited.update(format="another"),
        lambda edited: edited.update(entries=[], head={"sequence": 0, "hash": ""}),  # agrees with every store
        lambda edited: edited["entries"][0]["entry"].update(sealed_at="0001-01-01T00:00:00.000000+14:00"),
    ]
    if not without_rows:
        edits.append(lambda edited: edited["entries"][1]["rows"][0].update(k=1))
    for edit in edits:
        edited = json.loads(file.read_bytes())
        edit(edited)
        file.with_name("edited.json").write_text(json.dumps(edited))
        with pytest.raises(RegistryError, match="is no export of a registry, or was edited"):
            read_export(file.with_name("edited.json"))


def test_rows_of_few_users_are_left_out_of_an_export(open_study, registered):
    many = open_study(privacy={"k_anonymity": 100})
    exported = export_registry(many, many.config.path("out.json"))
    assert exported.without_rows == 3
    assert not any(item["rows"] for item in json.loads(many.config.path("out.json").read_bytes())["entries"])


def test_only_an_export_shows_what_a_person_with_the_key_did(registered, simulated):
    """The whole ledger is signed anew with a nicer forecast: the store alone cannot tell."""
    study, file = registered, registered.config.path("out.json")
    export_registry(study, file)
    assert depsim(study, "verify", "--against", file)[0] == 0
    key, entries = study.lake.signing_keys()[0], chain_entries(study.lake)
    shutil.rmtree(ledger.folder(study.lake.root))
    ledger.folder(study.lake.root).mkdir()
    made = []
    for entry in entries:
        if entry.sequence == 2:
            rows = tuple(row | {"rate_per_100k": 1.0} for row in entry.rows)
            statement = dataclasses.replace(entry.statement, rows_hash=ledger.digest(rows))
            entry = dataclasses.replace(entry, rows=rows, statement=statement)
        previous = made[-1].hash if made else ""
        made.append(ledger.append(study.lake.root, key, dataclasses.replace(entry, previous_hash=previous)))
    for model in ("v2", "v3"):
        shutil.rmtree(REGISTERED_FORECASTS.directory(study.lake.root, {"model": model}))
    study.lake.remove(POST_RELEASE_CALIBRATION, {"model": "v2"})
    sealed(study, "v3")
    assert verify_study(study).intact
    code, output = depsim(study, "verify", "--against", file)
    assert code == 1 and output.count("is another in the store than in the export") == 3
    assert "broken: entry 2 (amendment of v2)" in output and "ask who holds the study's key" in output


def test_only_an_export_shows_that_everything_after_an_entry_was_taken_out(registered):
    study, file = registered, registered.config.path("out.json")
    export_registry(study, file)
    entries = chain_entries(study.lake)
    (ledger.folder(study.lake.root) / "00000004.json").unlink()
    ledger.write_head(study.lake.root, study.lake.signing_keys()[0], entries[2])  # an old head that was kept
    shutil.rmtree(REGISTERED_FORECASTS.directory(study.lake.root, {"model": "v3"}))
    assert verify_study(study).intact
    code, output = depsim(study, "verify", "--against", file)
    assert code == 1 and "entry 4 (forecast of v3): is in the export and was deleted from the store" in output


def test_a_registry_that_went_on_agrees_with_an_earlier_export(registered, simulated):
    file = registered.config.path("out.json")
    export_registry(registered, file)
    open_outcome(registered.lake, "v3", "2026-02-02", ["2026-01-26"])
    assert list(against(chain_entries(registered.lake), read_export(file))) == []
    code, output = depsim(registered, "verify", "--against", file)
    assert code == 0 and "compared with 4 entries" in output


# ------------------------------------------------------------------------------------------------------ list and show
def test_list_and_show_name_every_entry(registered):
    entries = chain_entries(registered.lake)
    code, output = depsim(registered, "list")
    assert code == 0 and all(entry.hash[:12] in output for entry in entries)
    assert "amendment 1" in output and "outcome opened (week 2026-01-19)" in output
    code, output = depsim(registered, "show", "v2")
    assert (
        code == 0
        and all(entry.hash in output for entry in entries[:3])
        and entries[3].hash + "\n" not in output
    )
    assert "9/60" in output and "15,000.0" in output
    code, output = depsim(registered, "show", "v9")
    assert code == 1 and "v9: nothing is registered" in output
