"""The draw: uniform, seeded, independent of files and their order, and under pseudonyms."""

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_traffic import (
    HOUR,
    MONDAY,
    STUDY,
    conversation,
    decision,
    drawn,
    exchange,
    funnel_of,
    rows_of,
    sampled,
    study_of,
    write_consent,
    write_logs,
)
from scipy import stats

from depsim_dagster.config_sections import SamplingConfig
from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import EmptyWeekError, TrafficError
from depsim_dagster.traffic.draw import draw_turns
from depsim_dagster.traffic.messages import chat_messages
from depsim_dagster.traffic.pseudonyms import pseudonym

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


def test_more_traffic_keeps_earlier_choices_among_what_still_fits(tmp_path):
    before = chosen(drawn(tmp_path, MANY[:40], sampling=LIMIT))
    write_logs(tmp_path, MANY[40:], "logs-later.parquet")
    after = chosen(drawn(tmp_path, None, sampling=LIMIT))
    only_first = STUDY["traffic"] | {"paths": ["logs.parquet"]}
    early_ids = chosen(drawn(tmp_path, None, sampling={"turns_per_week": None}, traffic=only_first))
    assert after & early_ids <= before, "no early turn enters because of the later file"
    assert 0 < len(after & before) < 30


EVERY_OPTION = {
    "turns_per_week": 12,
    "one_turn_per_conversation": True,
    "turns_per_user": 3,
    "strata": {"by": ["language", "account_class"], "minimum": 2},
    "exclude": {"enterprise": False},
    "duplicates": {"near": "anywhere", "similarity": 0.7},
}
PROMPTS = [
    "go on",
    "write a poem about the rain in spring",
    "write a poem about the rain in spring please",
    "why is it so",
]
CONVERSATIONS = st.builds(
    lambda name, user, language, account_class, prompts, more: conversation(
        name,
        user,
        [m for prompt in prompts for m in exchange(question=f"{prompt}{more}")],
        language=language,
        account_class=account_class,
    ),
    st.sampled_from([f"c{place}" for place in range(30)]),
    st.sampled_from(["u1", "u1", "u2", "u3", "u4", None]),
    st.sampled_from(["en", "en", "de", None]),
    st.sampled_from(["consumer", "enterprise", "employee", "consumer"]),
    st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=3),
    st.sampled_from(["", "", " 1", " 2 3 4"]),
)


@settings(max_examples=12, deadline=None)
@given(logs=st.lists(CONVERSATIONS, min_size=30, max_size=60), data=st.data())
def test_files_and_order_change_nothing_and_the_funnel_adds_up(tmp_path_factory, logs, data):
    """Conversations, some of them under one id or more than once, in any order and over any files, with every option."""
    decisions = [decision(user) for user in ("u1", "u2", "u4")] + [decision("u4", start=MONDAY + 60 * HOUR)]
    logs = [conversation("safe"), *logs]
    outcomes = []
    for files in (1, data.draw(st.integers(2, 4))):
        directory = tmp_path_factory.mktemp("logs")
        write_consent(directory, decisions)
        order = data.draw(st.permutations(logs)) if files > 1 else logs
        for place in range(files):
            # A record of its own in each file: two files with the same bytes would be one.
            mark = conversation(f"file-{place}", f"of-file-{place}", exchange(MONDAY - 99 * HOUR))
            write_logs(directory, [mark, *order[place::files]], f"logs-{place}.parquet")
        sample = sampled(study_of(directory, sampling=EVERY_OPTION))
        rows = rows_of(sample)
        probabilities = {row["turn_id"]: row["inclusion_probability"] for row in rows}
        assert len(probabilities) == len(rows) == sample.sampled
        outcomes.append((probabilities, funnel_of(sample)))
        assert sum(funnel_of(sample).values()) == sum(
            m["role"] == "user" for log in logs for m in log["messages"]
        )
        assert sum(row["turns"] for row in sample.funnel.to_pylist()) >= sample.eligible >= sample.sampled
    assert outcomes[0] == outcomes[1]


def test_strata_that_ask_for_too_much_are_one_error(tmp_path):
    logs = [
        conversation(f"{language}{place}", language=language)
        for language in ("en", "de")
        for place in range(9)
    ]
    with pytest.raises(TrafficError, match=r"sampling\.strata\.minimum: 2 strata"):
        drawn(tmp_path, logs, sampling={"turns_per_week": 10, "strata": {"by": ["language"], "minimum": 6}})


def test_every_turn_is_as_likely_as_any_other():
    """Chi-square over 400 seeds of the product's own draw: 10 of 40 turns."""
    connection = connect()
    connection.execute(
        "create table population as select range as number, 'c' || (range // 2) as conversation_id, "
        "(range % 2)::integer as turn_index, 'u' as account, 'eligible' as rule, 1.0::double as inclusion_probability from range(40)"
    )
    counts = np.zeros(40)
    for seed in range(400):
        connection.execute("create or replace temp table turns as from population")
        draw_turns(connection, SamplingConfig(), str(seed), 10, None)
        drawn_now = connection.execute("select number from turns where rule = 'sampled'").fetchnumpy()[
            "number"
        ]
        assert len(drawn_now) == 10
        counts[drawn_now] += 1
    # Without replacement the counts vary less than multinomial ones, by the factor (40 - 10) / 39.
    statistic = ((counts - 100) ** 2 / 100).sum() / (1 - 10 / 40) * 39 / 40
    assert 0.001 < stats.chi2.cdf(statistic, 39) < 0.999


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
