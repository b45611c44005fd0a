"""Whose an answer is, and its removal: claims are on disk before answers, and only what nobody else needs goes."""

import datetime as dt

import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal import claims as claims_module
from depsim_dagster.replay.journal.claims import FOLDER, Subject, read_claims
from depsim_dagster.replay.journal.kept_answers import winning_rows
from depsim_dagster.replay.journal.removal import (
    Doomed,
    claimed_weeks,
    count_answers,
    journals,
    remove_answers,
    turns_of,
    users_of,
)
from depsim_dagster.replay.journal.response_journal import Journal

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
ANNA, BERT = Subject("2026-01-05", "turn a", "user a"), Subject("2026-01-12", "turn b", "user b")


def kept(journal: Journal, *asked: tuple[str, Subject | None]) -> None:
    for request, subject in asked:
        if subject is not None:
            journal.claim(request, subject)
        if request not in journal.known_ids():
            journal.append(Outcome(request, "ok", f'"{request}"', answered_at=NOON))
        journal.flush()


def claimed(journal: Journal) -> list[tuple[str, str]]:
    rows = [row for batch in read_claims(journal.directory / FOLDER) for row in batch.to_pylist()]
    return sorted((row["request_id"], row["turn_id"]) for row in rows)


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(tmp_path / "endpoint=e" / "model=m")


def test_a_claim_is_on_disk_with_its_answer_and_once(journal):
    journal.claim("r1", ANNA)
    journal.append(Outcome("r1", "ok", "{}"))
    assert claimed(journal) == []
    journal.flush()
    for _ in range(3):
        journal.claim("r1", ANNA)
        Journal(journal.directory).claim("r1", ANNA)
        journal.flush()
    assert claimed(journal) == [("r1", "turn a")] and len(list((journal.directory / FOLDER).iterdir())) == 1


def test_an_answer_is_never_on_disk_without_its_claim(journal, monkeypatch):
    def refuse(directory, table):
        raise OSError(28, "No space left on device")

    journal.claim("r1", ANNA)
    journal.append(Outcome("r1", "ok", "{}"))
    with monkeypatch.context() as patch:
        patch.setattr(claims_module, "write_segment", refuse)
        with pytest.raises(LakeError, match="No space left on device.*1 answers are not on disk"):
            journal.flush()
    assert journal.known_ids() == set() and journal.buffered == 1
    journal.flush()
    assert journal.known_ids() == {"r1"} and claimed(journal) == [("r1", "turn a")]


def test_the_engine_claims_what_it_sends_and_what_it_finds(server, endpoint, journal, call):
    asked = call("one question")
    for subject in (ANNA, BERT):
        complete_calls(endpoint(), [ModelCall(asked.request_id, asked.body, subject)], journal)
    assert server.requests == 1
    assert claimed(journal) == [(asked.request_id, "turn a"), (asked.request_id, "turn b")]


def test_an_answer_stays_as_long_as_somebody_needs_it(journal):
    kept(journal, ("own a", ANNA), ("own b", BERT), ("shared", ANNA), ("shared", BERT))
    doomed = Doomed(turns=["turn a"])
    assert count_answers(journal.directory, doomed) == 1
    assert remove_answers(journal.directory, doomed) == 1
    assert journal.known_ids() == {"own b", "shared"}
    assert claimed(journal) == [("own b", "turn b"), ("shared", "turn b")]
    assert remove_answers(journal.directory, doomed) == 0
    assert remove_answers(journal.directory, Doomed(weeks=["2026-01-12"])) == 2
    assert (
        journal.known_ids() == set()
        and claimed(journal) == []
        and list(journal.directory.glob("**/*.parquet")) == []
    )


def test_answers_that_nobody_claims_go_by_their_age(journal):
    kept(journal, ("old", None), ("claimed", ANNA))
    assert remove_answers(journal.directory, Doomed(turns=["turn x"])) == 0
    assert remove_answers(journal.directory, Doomed(unclaimed_before=NOON)) == 0
    assert remove_answers(journal.directory, Doomed(unclaimed_before=NOON + dt.timedelta(seconds=1))) == 1
    assert journal.known_ids() == {"claimed"}


def test_answers_that_stay_are_as_they_were(journal):
    kept(journal, ("own a", ANNA), ("own b", BERT))
    before = journal.outcomes(["own b"]).read_all()
    remove_answers(journal.directory, Doomed(turns=["turn a"]))
    assert journal.outcomes().read_all().equals(before)


def test_a_removal_that_was_cut_short_is_finished(journal, monkeypatch):
    """New segment there, old one not yet deleted: an answer stands twice, readers take one, a second call removes."""
    kept(journal, ("own a", ANNA), ("own b", BERT))

    def stop(self, **_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            remove_answers(journal.directory, Doomed(turns=["turn a"]))
    assert len(journal.segments()) == 2 and journal.outcomes().read_all().num_rows == 2
    remove_answers(journal.directory, Doomed(turns=["turn a"]))
    assert journal.known_ids() == {"own b"} and claimed(journal) == [("own b", "turn b")]


def test_unfinished_segments_go(journal):
    kept(journal, ("own b", BERT))
    for folder in (journal.directory, journal.directory / FOLDER):
        (folder / ".half.tmp").write_bytes(b"words")
    remove_answers(journal.directory, Doomed())
    assert list(journal.directory.rglob("*.tmp")) == []


def test_journals_and_their_people(journal, tmp_path):
    kept(journal, ("own a", ANNA))
    other = Journal(tmp_path / "endpoint=detector.e" / "model=m")
    kept(other, ("own b", BERT), ("nobody's", None))
    assert journals(tmp_path) == [other.directory, journal.directory]
    assert turns_of(tmp_path, {"user b"}) == {"turn b"} and turns_of(tmp_path, {"user c"}) == set()
    assert users_of(tmp_path) == {"user a", "user b"} and claimed_weeks(tmp_path) == {
        "2026-01-05",
        "2026-01-12",
    }


def test_a_damaged_segment_of_claims_is_named(journal):
    kept(journal, ("own a", ANNA))
    (segment,) = (journal.directory / FOLDER).glob("*.parquet")
    segment.write_bytes(b"x")
    with pytest.raises(LakeError, match=rf"{segment.name} cannot be read"):
        remove_answers(journal.directory, Doomed(turns=["turn a"]))


def test_segments_have_no_column_that_names_anybody(journal):
    """Whose an answer is stands in the claims alone, so that one place has to be looked into."""
    kept(journal, ("own a", ANNA))
    (segment,) = journal.segments()
    assert not {"turn_id", "user_id", "week"} & set(pq.ParquetFile(segment).schema_arrow.names)


def test_who_reads_while_something_is_removed_is_asked_to_read_again(journal):
    """As a study does that shares the journal with the one that erases."""
    kept(journal, ("r1", ANNA))
    kept(journal, ("r2", BERT))
    answers = journal.outcomes()
    rows = winning_rows(journal.segments(), None)
    next(rows)
    remove_answers(journal.directory, Doomed(turns=["turn a", "turn b"]))
    with pytest.raises(LakeError, match="an erasure was at work in this journal. Run again"):
        list(rows)
    assert answers.read_all().num_rows == 0
