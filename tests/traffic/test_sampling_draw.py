"""The draw: uniform, seeded, independent of files and their order, and under pseudonyms."""

import datetime as dt
import json
from collections import Counter

import duckdb
import pytest
from literal_traffic import (
    MONDAY,
    WEEK,
    conversation,
    decision,
    drawn,
    exchange,
    funnel_of,
    rows_of,
    study_of,
    write_consent,
    write_logs,
)
from scipy import stats

from depsim_dagster.errors import EmptyWeekError
from depsim_dagster.traffic.sampling import chat_messages, pseudonym, sample_week

MANY = [conversation(f"c{i:03d}", messages=exchange() * 2) for i in range(60)]
FIRST_KEY, SECOND_KEY = "a first key that is long", "a second key that is long"
LIMIT = {"turns_per_week": 30}


def chosen(sample) -> set[str]:
    return {row["turn_id"] for row in rows_of(sample)}


def test_the_sample_has_the_asked_size_and_states_its_probability(tmp_path):
    sample = drawn(tmp_path, MANY, sampling=LIMIT)
    rows = rows_of(sample)
    assert len(rows) == len({row["turn_id"] for row in rows}) == sample.sampled == 30
    assert {row["inclusion_probability"] for row in rows} == {30 / 120}
    assert funnel_of(sample) == {"not_sampled": 90, "sampled": 30}


def test_null_takes_all(tmp_path):
    sample = drawn(tmp_path, MANY, sampling={"turns_per_week": None})
    assert {row["inclusion_probability"] for row in rows_of(sample)} == {1.0} and sample.sampled == 120


def test_the_same_seed_draws_the_same_and_another_another(tmp_path):
    first, again = (chosen(drawn(tmp_path, MANY, sampling=LIMIT)) for _ in range(2))
    other = chosen(drawn(tmp_path, MANY, sampling=LIMIT, seed=4))
    assert first == again and first != other


def test_order_and_files_do_not_matter(tmp_path):
    whole = chosen(drawn(tmp_path, MANY, sampling=LIMIT))
    write_logs(tmp_path, MANY[40:][::-1], "logs.parquet")
    write_logs(tmp_path, MANY[:40], "logs-b.parquet")
    assert chosen(drawn(tmp_path, None, sampling=LIMIT)) == whole


def test_more_traffic_keeps_earlier_choices_among_what_still_fits(tmp_path):
    before = chosen(drawn(tmp_path, MANY[:40], sampling=LIMIT))
    write_logs(tmp_path, MANY[40:], "logs-later.parquet")
    after = chosen(drawn(tmp_path, None, sampling=LIMIT))
    early_ids = chosen(drawn(tmp_path, None, sampling={"turns_per_week": None}, traffic=_only_first()))
    assert after & early_ids <= before, "no early turn enters because of the later file"
    assert 0 < len(after & before) < 30


def _only_first():
    from literal_traffic import STUDY

    return STUDY["traffic"] | {"paths": ["logs.parquet"]}


def test_every_turn_is_as_likely_as_any_other(tmp_path):
    """Chi-square over 300 seeds with the product's own ordering, on 40 turns of which 10 are drawn."""
    write_logs(tmp_path, MANY[:20])
    write_consent(tmp_path, [decision()])
    drawn_often = Counter()
    for seed in range(12):
        drawn_often.update(
            chosen(sample_week(study_of(tmp_path, seed=seed, sampling={"turns_per_week": 10}), WEEK))
        )
    assert sum(drawn_often.values()) == 120
    # The SQL alone, for a number of seeds that the whole path would take minutes for.
    turns = [(f"c{i:03d}", k) for i in range(20) for k in range(2)]
    connection = duckdb.connect()
    connection.execute("create table turns (conversation_id varchar, turn_index integer)")
    connection.executemany("insert into turns values (?, ?)", turns)
    counts = connection.execute(
        """
        select count(*) from (
            select seed, conversation_id, turn_index, row_number() over (partition by seed order by
                sha256(seed::varchar || ':' || conversation_id || '#' || turn_index), conversation_id, turn_index) as place
            from turns, range(1500) as seeds(seed)
        ) where place <= 10 group by conversation_id, turn_index
        """
    ).fetchall()
    observed = [count for (count,) in counts]
    assert len(observed) == 40
    assert stats.chisquare(observed).pvalue > 0.001
    assert stats.chisquare([drawn_often.get(turn, 0) for turn in _all_ids(tmp_path)]).pvalue > 0.001


def _all_ids(tmp_path) -> list[str]:
    return sorted(chosen(sample_week(study_of(tmp_path, sampling={"turns_per_week": None}), WEEK)))


# ----------------------------------------------------------------------------------------------------------- pseudonyms
def test_raw_ids_are_nowhere_in_the_output(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", FIRST_KEY)
    sample = drawn(tmp_path, [conversation("raw-conversation-7", "raw-user-9")], [decision("raw-user-9")])
    (row,) = rows_of(sample)
    assert "raw-" not in json.dumps(row, default=str) + json.dumps(sample.funnel.to_pylist())
    assert all(len(row[name]) == 32 for name in ("turn_id", "conversation_id", "user_id"))


def test_pseudonyms_hang_on_the_key_and_are_stable_under_it(tmp_path, monkeypatch):
    seen = []
    for key in (FIRST_KEY, SECOND_KEY, FIRST_KEY):
        monkeypatch.setenv("DEPSIM_HMAC_KEY", key)
        (row,) = rows_of(drawn(tmp_path, [conversation()]))
        seen.append({row[name] for name in ("turn_id", "conversation_id", "user_id")})
    assert seen[0] == seen[2] and not seen[0] & seen[1] and len(seen[0]) == 3


def test_one_user_keeps_one_pseudonym_and_kinds_are_kept_apart(tmp_path):
    rows = rows_of(drawn(tmp_path, [conversation("a"), conversation("b"), conversation("u1")]))
    assert len({row["user_id"] for row in rows}) == 1 and len({row["conversation_id"] for row in rows}) == 3
    assert pseudonym(b"k", "user", "x") != pseudonym(b"k", "conversation", "x")


# ------------------------------------------------------------------------------------------------------------- and else
def test_an_empty_week_is_one_error_with_the_funnel(tmp_path):
    logs = [conversation("a", temporary=True), conversation("b", user_id="secret-user")]
    with pytest.raises(
        EmptyWeekError, match=r"week 2026-01-05: .*temporary_chat: 1, consent_unknown: 1"
    ) as caught:
        drawn(tmp_path, logs)
    assert "secret-user" not in str(caught.value)
    with pytest.raises(EmptyWeekError, match="no user turn at all"):
        drawn(tmp_path, logs, week=dt.date(2026, 1, 19))


def test_models_with_quotes_are_text_in_sql(tmp_path):
    logs = [conversation("a"), conversation("b", model="m1') or ('1'='1")]
    assert funnel_of(drawn(tmp_path, logs)) == {"unknown_deployment": 1, "not_sampled": 0, "sampled": 1}


def test_batches_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("depsim_dagster.traffic.sampling.BATCH_ROWS", 7)
    sizes = [batch.num_rows for batch in drawn(tmp_path, MANY, sampling=LIMIT).rows]
    assert sum(sizes) == 30 and max(sizes) <= 7


def test_chat_messages_drop_what_a_log_adds():
    logged = {
        "role": "user",
        "content": "é",
        "reasoning": None,
        "tool_calls": None,
        "created_at": MONDAY,
        "attachments": 0,
    }
    assert chat_messages([logged]) == '[{"role": "user", "content": "é"}]'
