"""Erasure on a literal store: whose rows go, whose stay, what is kept of it, and what happens when it is cut short."""

from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from literal_store import (
    KEY,
    MODELS,
    OLDER_KEY,
    PEOPLE,
    WEEKS,
    answer,
    answers,
    everything,
    rows_of,
    said,
    sampled_row,
    user,
    write_week,
)
from literal_traffic import NOON, WEEK, conversation, decision, study_of, write_consent, write_logs

from depsim_dagster.errors import ConfigurationError, GateError, LakeError
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import QUARANTINE, Lake
from depsim_dagster.privacy.erasure import forget as erasure
from depsim_dagster.privacy.erasure import row_removal
from depsim_dagster.privacy.erasure.forget import (
    PERSONAL_TABLES,
    erased_users,
    forget,
    interrupted,
    sample_changes,
)
from depsim_dagster.privacy.erasure.key_rotation import fingerprint, keys_used, remember_key
from depsim_dagster.privacy.erasure.records import ERASED_USERS, receipts, suppress
from depsim_dagster.privacy.gates import gate as gates
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.resources import StudyResource
from depsim_dagster.traffic.sampling import sample_week
from depsim_dagster.traffic.schema import (
    DEIDENTIFIED_PREFIXES,
    INGESTED_FILES,
    SAMPLED_TRAFFIC,
    SAMPLING_FUNNEL,
    TURN_INDEX,
)

ANNA, BERT, CLEO = PEOPLE


def traces(person: str, directory: Path) -> list[str]:
    """What is still to be found of a person."""
    needles = [person, user(person)]
    needles += [sampled_row(person, week)[name] for week in WEEKS for name in ("turn_id", "conversation_id")]
    needles += [
        said(person, week, kind)
        for week in WEEKS
        for kind in (
            "original",
            "answered original",
            "de-identified",
            "answered de-identified",
            *MODELS,
            "judged",
        )
    ]
    content = everything(directory)
    return [needle for needle in needles if needle.encode() in content]


def test_nothing_of_the_person_is_left_and_the_others_are_untouched(store):
    root = store.lake.root
    before = {person: traces(person, root) for person in PEOPLE}
    assert len(before[ANNA]) > 10
    receipt = forget(store, [ANNA])
    assert traces(ANNA, root) == []
    assert [traces(person, root) for person in (BERT, CLEO)] == [before[BERT], before[CLEO]]
    assert (receipt.users, receipt.found, receipt.reason) == (1, 1, "user_request")
    removed = {
        table.table: (table.partitions, table.rows, table.partitions_removed) for table in receipt.removed
    }
    assert removed == {
        "sampled_traffic": (2, 2, 0),
        "deidentified_prefixes": (2, 2, 0),
        "regenerated_completions": (4, 4, 0),
        "graded_labels": (4, 8, 0),
        "production_labels": (2, 4, 0),
        "awareness_labels": (4, 4, 0),
        "audit_findings": (4, 4, 0),
        "production_findings": (2, 2, 0),
        "novel_behaviour_members": (0, 0, 0),
        "mined_phrases": (0, 0, 0),
        "review_samples": (2, 2, 0),
        "human_labels": (2, 2, 0),
        "turn_index": (2, 2, 0),
        # Two of each model, and the verdict of the second week; that of the first is the others' as well.
        "response_journal": (3, 5, 0),
    }
    for week in WEEKS:
        for table in (SAMPLED_TRAFFIC, DEIDENTIFIED_PREFIXES):
            assert {row["user_id"] for row in rows_of(store, table, week=week)} == {user(BERT), user(CLEO)}


def test_an_answer_for_several_people_goes_with_the_last_of_them(store):
    for person, left in ((ANNA, True), (BERT, True), (CLEO, False)):
        forget(store, [person])
        assert ("judged for all" in answers(store, "grader")) is left
    assert answers(store, "grader") == answers(store, "m1") == set()


def test_an_answer_that_never_reached_a_table_goes_too(store):
    """The process died after the answer was on disk: only its claim says whose it is."""
    answer(store, "m2", "asked and lost", ANNA, "2026-01-19", "words that no table holds")
    answer(store, "m2", "another one's", BERT, "2026-01-19", "words of another")
    forget(store, [ANNA])
    assert "asked and lost" not in answers(store, "m2") and "another one's" in answers(store, "m2")


def test_answers_of_nobody_known_go_too(store):
    from depsim_dagster.replay.dialects.outcomes import Outcome

    journal = store.journal("models", "m1")
    journal.append(Outcome("of an older version", "ok", "{}"))
    journal.flush()
    forget(store, ["account-of-nobody"])
    kept = {f"m1 {week} {person}" for week in WEEKS for person in PEOPLE}
    assert answers(store, "m1") == kept


def test_the_funnel_still_adds_up(store):
    forget(store, [ANNA, BERT])
    funnel = {
        row["rule"]: (row["turns"], row["users"]) for row in rows_of(store, SAMPLING_FUNNEL, week=WEEKS[0])
    }
    assert funnel == {"not_sampled": (7, 4), "erased": (2, 2), "sampled": (1, 1)}
    positions = [row["position"] for row in rows_of(store, SAMPLING_FUNNEL, week=WEEKS[0])]
    assert positions == [0, 1, 2]
    forget(store, [ANNA])
    assert {row["rule"]: row["turns"] for row in rows_of(store, SAMPLING_FUNNEL, week=WEEKS[0])} == {
        "not_sampled": 7,
        "erased": 2,
        "sampled": 1,
    }


def test_the_rest_of_a_week_is_gated_again(store, monkeypatch):
    asked = []
    sign = gates.gate_and_publish

    def gate(config, lake, quarantined, canaries):
        # The gate compares with sample and funnel, so these are corrected before.
        sampled = rows_of(store, SAMPLED_TRAFFIC, **quarantined.partition)
        funnel = rows_of(store, SAMPLING_FUNNEL, **quarantined.partition)
        assert len(sampled) == quarantined.rows == {row["rule"]: row["turns"] for row in funnel}["sampled"]
        asked.append(quarantined.partition["week"])
        sign(config, lake, quarantined, canaries)

    monkeypatch.setattr(gates, "gate_and_publish", gate)
    forget(store, [ANNA])
    assert asked == list(WEEKS)


def test_a_week_that_a_gate_refuses_is_taken_out_whole(store, monkeypatch):
    def refuse(*_):
        raise GateError("somebody else withdrew consent")

    monkeypatch.setattr(gates, "gate_and_publish", refuse)
    receipt = forget(store, [ANNA])
    assert store.lake.published(DEIDENTIFIED_PREFIXES) == [] and traces(ANNA, store.lake.root) == []
    (prefixes,) = [table for table in receipt.removed if table.table == "deidentified_prefixes"]
    assert (prefixes.partitions, prefixes.partitions_removed) == (2, 2)
    assert list((store.lake.root / QUARANTINE).rglob("*.parquet")) == []


def test_partitions_without_a_row(store):
    """A week without prefixes is not published, as if it had no eligible turn; labels and completions may be none."""
    forget(store, PEOPLE)
    assert store.lake.published(SAMPLED_TRAFFIC) == store.lake.published(DEIDENTIFIED_PREFIXES) == []
    for table in (REGENERATED_COMPLETIONS, GRADED_LABELS, PRODUCTION_LABELS, TURN_INDEX):
        assert store.lake.published(table) and {
            manifest.rows for manifest in store.lake.published(table)
        } == {0}


def test_the_erased_are_known_by_account_and_pseudonym_and_named_nowhere(store):
    forget(store, [ANNA])
    erased = erased_users(store.lake, store.config)
    assert erased and user(ANNA) in erased and erased.account(ANNA)
    assert user(BERT) not in erased and not erased.account(BERT) and None not in erased
    (row,) = rows_of(store, ERASED_USERS)
    assert row["mark"] not in (ANNA, user(ANNA)) and row["key"] == fingerprint(KEY.encode())


def test_a_receipt_names_nobody_and_changed_samples_are_listed(store):
    receipt = forget(store, [ANNA])
    kept = receipts(store.lake).to_pylist()
    assert {row["receipt_id"] for row in kept} == {receipt.receipt_id} and len(kept) == len(receipt.removed)
    assert sum(row["rows_removed"] for row in kept) == receipt.rows
    changes = sample_changes(store.lake).to_pylist()
    assert {(row["week"], row["model"], row["source"], row["turns_removed"]) for row in changes} == {
        *((week, model, "simulated", 1) for week in WEEKS for model in MODELS),
        *((week, "m1", "production", 1) for week in WEEKS),
    }
    assert {row["table"] for row in changes} == {"graded_labels", "production_labels"}
    assert {row["changed_at"] for row in changes} == {receipt.requested_at}
    forget(store, [BERT])
    assert receipts(store.lake).num_rows == 2 * len(kept) and sample_changes(store.lake).num_rows == 2 * len(
        changes
    )


def test_a_dry_run_counts_the_same_and_changes_nothing(store):
    forget(store, [BERT], dry_run=True)  # makes the files of the locks
    before = everything(store.lake.root)
    counted = forget(store, [ANNA, "account-of-nobody"], dry_run=True)
    assert everything(store.lake.root) == before
    done = forget(store, [ANNA, "account-of-nobody"])
    assert counted.removed == done.removed and (done.users, done.found) == (2, 1)


def test_leftovers_of_dead_writers_go(store):
    root = store.lake.root
    folder = SAMPLED_TRAFFIC.directory(root, {"week": WEEKS[0]})
    for place in (
        root / QUARANTINE / "sampled_traffic" / "week=2026-01-05",
        folder,
        store.lake.journal_directory,
    ):
        place.mkdir(parents=True, exist_ok=True)
    row = [sampled_row(ANNA, WEEKS[0])]
    import pyarrow as pa

    table = pa.Table.from_pylist(row)
    left = [
        root / QUARANTINE / "sampled_traffic" / "week=2026-01-05" / "attempt.parquet",
        folder / "unnamed.parquet",
        folder / ".half-a-manifest",
    ]
    for path in left:
        pq.write_table(table, path)
    (journal,) = (store.lake.journal_directory / "endpoint=models").glob("model=m1")
    left.append(journal / ".unfinished.tmp")
    left[-1].write_bytes(said(ANNA, WEEKS[0]).encode())
    forget(store, [ANNA])
    assert [path for path in left if path.exists()] == [] and traces(ANNA, root) == []


@pytest.mark.parametrize("damage", ["edited", "truncated", "manifest"])
def test_what_no_reader_accepts_is_not_made_acceptable(store, damage):
    """A partition that was edited after publication is not published anew with a fresh hash; it goes whole."""
    partition = {"week": WEEKS[0], "model": "m1"}
    folder = GRADED_LABELS.directory(store.lake.root, partition)
    (file,) = folder.glob("*.parquet")
    if damage == "edited":
        rows = pq.ParquetFile(file).read()
        pq.write_table(rows.slice(0, rows.num_rows - 1), file)
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        (folder / "_manifest.json").write_text("{")
    receipt = forget(store, [ANNA])
    with pytest.raises(LakeError, match="not published"):
        store.lake.read(GRADED_LABELS, partition)
    assert traces(ANNA, store.lake.root) == []
    (labels,) = [table for table in receipt.removed if table.table == "graded_labels"]
    assert labels.partitions == 4


def test_a_table_of_no_known_name_with_rows_of_the_person_is_an_error(store):
    other = store.lake.root / "some_table" / "part.parquet"
    other.parent.mkdir()
    import pyarrow as pa

    pq.write_table(pa.table({"user_id": [user(ANNA), user(BERT)]}), other)
    with pytest.raises(LakeError, match=r"part\.parquet: still holds 1 row\(s\) of erased users"):
        forget(store, [ANNA])
    other.unlink()
    assert [receipt.users for receipt in erasure.finish_interrupted(store)] == [1]


def steps(monkeypatch, fail_at: int) -> list[str]:
    """Have the n-th of all steps that change something on disk fail, before or after it was done."""
    taken: list[str] = []

    def broken(module, name, after):
        real = getattr(module, name)

        def step(*arguments, **named):
            fails = len(taken) == fail_at
            taken.append(name)
            if fails and not after:
                raise KeyboardInterrupt(name)
            result = real(*arguments, **named)
            if fails:
                raise KeyboardInterrupt(name)
            return result

        monkeypatch.setattr(module, name, step)

    for place, name in enumerate(
        ("_write", "suppress", "clear_quarantine", "remove_rows", "correct_funnel", "remove_answers")
    ):
        broken(erasure, name, after=place % 2)
    for place, name in enumerate(("_rebuild_warehouse", "_verify", "record", "_rewrite_report", "fsync")):
        broken(erasure, name, after=place % 2)
    broken(row_removal, "_rewritten", after=False)
    return taken


def test_an_erasure_that_is_cut_short_anywhere_is_finished_and_counts_the_same(copied, monkeypatch):
    rows, whole = [1, 1, 2, 4, 2, 2, 2, 1, 0, 1, 1, 1, 0, 2], None
    for fail_at in range(100):
        study = copied(str(fail_at), weeks=1)
        with monkeypatch.context() as patch:
            taken = steps(patch, fail_at)
            try:
                whole = forget(study, [ANNA])
            except KeyboardInterrupt:
                whole = None
        if whole is not None:
            assert fail_at == len(taken) > 20 and [table.rows for table in whole.removed] == rows
            break
        finished = erasure.finish_interrupted(study)
        if fail_at == 0:  # before the plan was on disk, nothing was begun
            assert finished == [] and traces(ANNA, study.lake.root)
            finished = [forget(study, [ANNA])]
        assert not interrupted(study.lake) and traces(ANNA, study.lake.root) == [], taken
        # Where the plan was deleted and only that is not on disk yet, there is nothing left to finish.
        assert [[table.rows for table in receipt.removed] for receipt in finished] in ([], [rows]), taken
        assert [row["rows_removed"] for row in receipts(study.lake).to_pylist()] == rows, taken
        assert user(ANNA) in erased_users(study.lake, study.config)
    assert whole is not None


def test_the_plan_on_disk_holds_pseudonyms_only(store, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "suppress", stop)
        with pytest.raises(KeyboardInterrupt):
            forget(store, [ANNA])
    (plan,) = (store.lake.root / "_erasure").glob("*.json")
    written = plan.read_text()
    assert user(ANNA) in written and "anna" not in written and "sentence" not in written
    assert plan.parent.stat().st_mode & 0o077 == 0


# ----------------------------------------------------------------------------------------------------------------- keys
def test_rows_of_the_previous_key_are_found_and_the_erased_stay_known(store, monkeypatch):
    write_week(store, "2026-01-19", key=OLDER_KEY)
    remember_key(store.lake.root, OLDER_KEY.encode())
    remember_key(store.lake.root, KEY.encode())
    with pytest.raises(ConfigurationError, match="DEPSIM_HMAC_KEY_PREVIOUS"):
        forget(store, [ANNA])
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", OLDER_KEY)
    forget(store, [ANNA])
    content = everything(store.lake.root)
    assert user(ANNA, OLDER_KEY).encode() not in content and user(BERT, OLDER_KEY).encode() in content


def test_who_was_erased_before_a_rotation_is_known_after_it(store, monkeypatch):
    forget(store, [ANNA])
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a third key, of next year's study")
    with pytest.raises(
        ConfigurationError, match=r"people were erased under another key.*DEPSIM_HMAC_KEY_PREVIOUS"
    ):
        erased_users(store.lake, store.config)
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", KEY)
    erased = erased_users(store.lake, store.config)
    assert erased.account(ANNA) and not erased.account(BERT)


def test_keys_of_several_rotations(store, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", "the-key-of-last-year,the-key-of-the-year-before")
    assert store.config.hmac_keys == (KEY.encode(), b"the-key-of-last-year", b"the-key-of-the-year-before")
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", OLDER_KEY)  # a comma in a key
    assert store.config.hmac_keys == (KEY.encode(), OLDER_KEY.encode())
    monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", "short")
    with pytest.raises(ConfigurationError, match="DEPSIM_HMAC_KEY_PREVIOUS has fewer than 16"):
        forget(store, [ANNA])


def test_a_run_finishes_an_erasure_that_was_killed_and_keeps_later_ones_out(store, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "remove_answers", stop)
        with pytest.raises(KeyboardInterrupt):
            forget(store, [ANNA])
    resource = StudyResource(study_file=str(store.config.file))
    with dg.build_resources({"study": resource}) as opened:
        study = opened.study.study
        assert not interrupted(study.lake) and traces(ANNA, study.lake.root) == []
        with pytest.raises(LakeError, match="a run of this process is at work"):
            forget(study, [BERT])
    assert keys_used(store.lake.root) == {fingerprint(KEY.encode())}
    assert forget(store, [BERT]).found == 1


def test_a_plan_that_was_left_half_written_goes(store):
    folder = store.lake.root / erasure.FOLDER
    folder.mkdir()
    (folder / ".plan.json.half").write_text(user(ANNA))
    assert interrupted(store.lake) and erasure.finish_interrupted(store) == []
    assert not interrupted(store.lake) and list(folder.iterdir()) == []


def test_no_id_is_an_error_and_changes_nothing(store):
    before = everything(store.lake.root)
    with pytest.raises(ConfigurationError, match="no account id"):
        forget(store, [])
    assert everything(store.lake.root) == before


def test_every_table_with_rows_of_people_is_looked_into():
    """A table that somebody adds with a column that says whose a row is has to be named to the erasure."""
    import importlib
    import pkgutil

    import depsim_dagster
    from depsim_dagster.lake import LakeTable

    tables = {}
    for module in pkgutil.walk_packages(depsim_dagster.__path__, "depsim_dagster."):
        if module.name.endswith("schema") or module.name.endswith("records"):
            loaded = importlib.import_module(module.name)
            tables |= {value.name: value for value in vars(loaded).values() if isinstance(value, LakeTable)}
    personal = {
        table.name
        for table in tables.values()
        if {"user_id", "turn_id", "conversation_id"} & set(table.schema.names)
    }
    assert personal == {table.name for table, _ in PERSONAL_TABLES} and len(tables) > 10


def test_no_file_is_named_after_anybody(store):
    forget(store, [ANNA])
    names = "\n".join(str(path) for path in store.lake.root.rglob("*"))
    assert user(ANNA) not in names and ANNA not in names and "erased_users" in names


@pytest.mark.parametrize("rotated", [False, True])
def test_logs_that_are_read_again_bring_nobody_back(tmp_path, monkeypatch, rotated):
    """The logs still hold the person, and are read anew: under the same key, and after a rotation, when no pseudonym of
    today tells who was erased."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    write_logs(tmp_path, [conversation(f"c{person}", person) for person in PEOPLE])
    write_consent(tmp_path, [decision(person) for person in PEOPLE])
    study = study_of(tmp_path)
    lake = Lake(tmp_path / "store")
    suppress(lake, {KEY.encode(): [user(ANNA)]}, NOON)
    key = KEY
    if rotated:
        key = "the key after the rotation"
        monkeypatch.setenv("DEPSIM_HMAC_KEY", key)
        with pytest.raises(ConfigurationError, match="DEPSIM_HMAC_KEY_PREVIOUS"):
            sample_week(study, lake, WEEK)
        monkeypatch.setenv("DEPSIM_HMAC_KEY_PREVIOUS", KEY)
    sample = sample_week(study, lake, WEEK)
    assert {row["user_id"] for batch in sample.rows for row in batch.to_pylist()} == {
        user(BERT, key),
        user(CLEO, key),
    }
    assert user(ANNA, key).encode() not in everything(lake.root)
    (file,) = lake.published(INGESTED_FILES)
    assert lake.read(INGESTED_FILES, file.partition).to_pylist()[0]["conversations"] == 3
