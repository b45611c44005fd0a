"""What an erasure and the end of retention take of the audit: members, behaviours that became too small, mined phrases."""

import datetime as dt

import pytest
from literal_store import PEOPLE, WEEKS, everything, filled, rows_of, turn, user

from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOUR_MEMBERS, NOVEL_BEHAVIOURS
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES, MINED_PHRASES
from depsim_dagster.audit.schema import AUDIT_FINDINGS, PRODUCTION_FINDINGS
from depsim_dagster.errors import LakeError
from depsim_dagster.privacy.erasure.forget import forget
from depsim_dagster.privacy.erasure.retention import purge

ANNA, BERT, CLEO = PEOPLE
OLD, NEW = WEEKS
ALL_OF_THEM, TWO_OF_THEM = "b-0000000000aa", "b-0000000000bb"
PHRASE = "words that were mined"


@pytest.fixture
def audited(copied):
    """All three show one behaviour, Anna and Bert another, to a study that shows what two users do."""
    study = copied(
        "audited", audit={"users": 2, "conversations": 2}, privacy={"k_anonymity": 2, "retention_days": 30}
    )
    members = [
        {
            "model": "m2", "behaviour": behaviour, "week": OLD, "author": author, "turn_id": turn(person, OLD),
            "user_id": user(person), "central": False, "sandbox": False,
        }
        for behaviour, people in ((ALL_OF_THEM, PEOPLE), (TWO_OF_THEM, (ANNA, BERT)))
        for person in people
        for author in ("m1", "m2")
    ]  # fmt: skip
    rows = [
        {"model": "m2", "behaviour": behaviour, "terms": ["sum"], "novel": True, "sandbox": False}
        for behaviour in (ALL_OF_THEM, TWO_OF_THEM)
    ]
    partition = {"model": "m2"}
    study.lake.write(NOVEL_BEHAVIOUR_MEMBERS, partition, filled(NOVEL_BEHAVIOUR_MEMBERS, members))
    study.lake.write(NOVEL_BEHAVIOURS, partition, filled(NOVEL_BEHAVIOURS, rows))
    phrase = {"model": "m2", "feature": "d-0000000000cc", "phrase": PHRASE}
    study.lake.write(MINED_PHRASES, partition, filled(MINED_PHRASES, [phrase]))
    difference = {"model": "m2", "feature": "d-0000000000cc", "discovered": True, "sandbox": False}
    study.lake.write(BEHAVIOUR_DIFFERENCES, partition, filled(BEHAVIOUR_DIFFERENCES, [difference]))
    return study


def shown(study) -> set[str]:
    return {row["behaviour"] for row in rows_of(study, NOVEL_BEHAVIOURS, model="m2")}


def test_a_behaviour_of_which_too_few_users_are_left_goes_with_all_its_members(audited):
    receipt = forget(audited, [ANNA])
    assert shown(audited) == {ALL_OF_THEM}
    left = rows_of(audited, NOVEL_BEHAVIOUR_MEMBERS, model="m2")
    assert {(row["behaviour"], row["user_id"]) for row in left} == {
        (ALL_OF_THEM, user(BERT)),
        (ALL_OF_THEM, user(CLEO)),
    }
    removed = {table.table: table for table in receipt.removed}
    assert removed["novel_behaviour_members"].rows == 4
    forget(audited, [CLEO])
    assert audited.lake.manifest(NOVEL_BEHAVIOURS, {"model": "m2"}) is None  # the next run makes it anew
    assert rows_of(audited, NOVEL_BEHAVIOUR_MEMBERS, model="m2") == []


def test_users_of_the_predecessor_alone_do_not_keep_a_behaviour(audited):
    """What is shown is how many users met it in the candidate's turns."""
    members = audited.lake.read(NOVEL_BEHAVIOUR_MEMBERS, {"model": "m2"}).to_pylist()
    kept = [row for row in members if row["author"] == "m1" or row["user_id"] != user(BERT)]
    audited.lake.write(NOVEL_BEHAVIOUR_MEMBERS, {"model": "m2"}, filled(NOVEL_BEHAVIOUR_MEMBERS, kept))
    forget(audited, [CLEO])
    assert audited.lake.manifest(NOVEL_BEHAVIOURS, {"model": "m2"}) is None


def test_phrases_go_with_any_erasure_from_their_weeks_and_what_was_counted_stays(audited):
    nobody = forget(audited, ["account-of-nobody"])
    assert rows_of(audited, MINED_PHRASES, model="m2") and not nobody.rows
    receipt = forget(audited, [ANNA])
    assert PHRASE.encode() not in everything(audited.lake.root)
    assert rows_of(audited, BEHAVIOUR_DIFFERENCES, model="m2")
    removed = {table.table: (table.rows, table.partitions_removed) for table in receipt.removed}
    assert removed["mined_phrases"] == (1, 1)


@pytest.mark.parametrize(("today", "gone"), [(dt.date(2026, 2, 10), False), (dt.date(2026, 2, 12), True)])
def test_retention_takes_phrases_with_the_first_of_their_weeks(audited, today, gone):
    """m2's weeks are both; thirty days after the 12th the older one is over, and nobody knows which words are whose."""
    purge(audited, today)
    assert (PHRASE.encode() not in everything(audited.lake.root)) is gone
    assert shown(audited) == {ALL_OF_THEM, TWO_OF_THEM}
    assert len(rows_of(audited, NOVEL_BEHAVIOUR_MEMBERS, model="m2")) == 10
    if gone:
        for table, partition in (
            (MINED_PHRASES, {"model": "m2"}),
            (AUDIT_FINDINGS, {"week": OLD, "model": "m1"}),
            (PRODUCTION_FINDINGS, {"week": OLD}),
        ):
            with pytest.raises(LakeError, match="by retention"):
                audited.lake.read(table, partition)
        assert rows_of(audited, AUDIT_FINDINGS, week=NEW, model="m1")


def test_phrases_of_a_model_that_is_nobodys_candidate_go(audited):
    phrase = {"model": "gone", "feature": "d-1", "phrase": "words of another model"}
    audited.lake.write(MINED_PHRASES, {"model": "gone"}, filled(MINED_PHRASES, [phrase]))
    purge(audited, dt.date(2026, 2, 10))
    assert b"words of another model" not in everything(audited.lake.root)
