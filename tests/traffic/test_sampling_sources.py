"""Further prefix sources: their own consent, their own number of turns, drawn anew for each week."""

import datetime as dt
import json

import pytest
from literal_traffic import (
    HOUR,
    MONDAY,
    NOON,
    STUDY,
    WEEK,
    conversation,
    decision,
    exchange,
    message,
    rows_of,
    sampled,
    study_of,
    texts,
    write_consent,
    write_logs,
)

from depsim_dagster.errors import EmptyWeekError
from depsim_dagster.privacy.gates.consent import consent_holds
from depsim_dagster.traffic.consent_ledger import as_of

PUBLIC = {"public_corpus": "published under an open licence"}
NEXT_WEEK = WEEK + dt.timedelta(days=7)
OLD = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def source(paths: str, consent=PUBLIC, **more) -> dict:
    return {"paths": [paths], "consent": consent, **more}


def two_weeks(directory) -> None:
    """Traffic of two weeks, of one consenting user."""
    write_logs(directory, [conversation("c1"), conversation("c2", messages=exchange(NOON + 7 * 24 * HOUR))])
    write_consent(directory, [decision()])


def study_with(directory, sampling=None, **sources):
    return study_of(directory, sampling=sampling or {}, traffic=STUDY["traffic"] | sources)


def of(sample, name: str) -> list[dict]:
    return [row for row in rows_of(sample) if row["prefix_source"] == name]


def funnel(sample, name: str) -> dict[str, int]:
    return {row["rule"]: row["turns"] for row in sample.funnel.to_pylist() if row["prefix_source"] == name}


def test_a_challenging_prompt_is_its_last_user_turn_without_what_followed(tmp_path):
    two_weeks(tmp_path)
    prompts = [
        conversation("p1", None, exchange(OLD, "one") + [message("user", "two", OLD)], model=None),
        conversation("p2", "u9", exchange(OLD, "three"), model="another-model"),
    ]
    write_logs(tmp_path, prompts, "prompts.parquet")
    sample = sampled(study_with(tmp_path, challenging_prompts=source("prompts.parquet")))
    rows = of(sample, "challenging_prompts")
    assert [texts(row["prefix"]) for row in sorted(rows, key=lambda row: -len(row["prefix"]))] == [
        [("user", "one"), ("assistant", "hi"), ("user", "two")],
        [("user", "three")],
    ]
    for row in rows:
        assert (row["deployment"], row["target"], row["sent_at"]) == ("challenging_prompts", "[]", MONDAY)
        assert row["consent_policy_version"] == "public_corpus" and row["inclusion_probability"] == 1.0
    assert funnel(sample, "challenging_prompts") == {"not_last_turn": 1, "not_sampled": 0, "sampled": 2}
    assert funnel(sample, "deployment_traffic") == {"not_sampled": 0, "sampled": 1}
    assert (sample.eligible, sample.sampled) == (1, 1)
    assert sample.funnel.column("position").to_pylist() == list(range(5))


def test_another_week_draws_other_prompts_and_some_again(tmp_path):
    two_weeks(tmp_path)
    corpus = [conversation(f"p{i}", f"v{i}", exchange(OLD) * 2) for i in range(20)]
    write_logs(tmp_path, corpus, "corpus.parquet")
    study = study_with(tmp_path, external_corpus=source("corpus.parquet", prompts_per_week=15))
    first, again, later = (of(sampled(study, week), "external_corpus") for week in (WEEK, WEEK, NEXT_WEEK))
    assert first == again and len(first) == len(later) == 15
    places = [{(row["conversation_id"], row["turn_index"]) for row in rows} for rows in (first, later)]
    assert places[0] != places[1] and places[0] & places[1]
    assert not {row["turn_id"] for row in first} & {row["turn_id"] for row in later}, "ids are of one week"
    assert {row["inclusion_probability"] for row in first} == {15 / 40}
    assert {row["week"] for row in later} == {str(NEXT_WEEK)}


def test_both_sources_and_null_takes_all(tmp_path):
    two_weeks(tmp_path)
    for name in ("a", "b"):
        write_logs(tmp_path, [conversation(f"{name}{i}", f"v{i}") for i in range(3)], f"{name}.parquet")
    study = study_with(
        tmp_path,
        challenging_prompts=source("a.parquet", prompts_per_week=None),
        external_corpus=source("b.parquet", prompts_per_week=2),
    )
    rows = rows_of(sampled(study))
    assert [row["prefix_source"] for row in rows] == [
        "deployment_traffic",
        *["challenging_prompts"] * 3,
        *["external_corpus"] * 2,
    ]
    assert len({row["turn_id"] for row in rows}) == 6


def test_the_same_conversation_in_two_sources_is_no_duplicate(tmp_path):
    two_weeks(tmp_path)
    study = study_with(tmp_path, external_corpus=source("logs.parquet"))
    rows = rows_of(sampled(study))
    assert len({row["turn_id"] for row in rows}) == len(rows) == 3


def test_exclusions_thinning_and_repetitions_hold_for_a_corpus_too(tmp_path):
    two_weeks(tmp_path)
    corpus = [
        conversation("p1", "v1", exchange(OLD, "a question of some words") * 2),
        conversation("p2", "v2", account_class="employee"),
        conversation("p3", "v3", [message("user", images=1), message("assistant")]),
        conversation("p4", "v4", [message("user", None), message("assistant")]),
        conversation("p5", "v5", attributes="{"),
        conversation("p6", "v6", exchange(OLD, "six") + exchange(OLD, "seven")),
        conversation("p7", "v7"),
        conversation("p7", "v7", exchange(OLD, "other content under one id")),
    ]
    write_logs(tmp_path, corpus, "corpus.parquet")
    sampling = {"duplicates": {"near": "off"}, "one_turn_per_conversation": True}
    sample = sampled(study_with(tmp_path, sampling, external_corpus=source("corpus.parquet")))
    assert funnel(sample, "external_corpus") == {
        "malformed_record": 1,
        "duplicate_conversation": 2,
        "empty_prefix": 1,
        "employee": 1,
        "image": 1,
        "repeated_prompt": 1,
        "other_turn_of_conversation": 1,
        "not_sampled": 0,
        "sampled": 2,
    }
    assert sorted(row["inclusion_probability"] for row in of(sample, "external_corpus")) == [0.5, 1.0]


def test_each_source_has_its_own_consent_at_the_time_of_its_own_message(tmp_path):
    two_weeks(tmp_path)
    (tmp_path / "other").mkdir()
    write_consent(
        tmp_path / "other",
        [
            decision("v1", start=OLD - HOUR, policy_version="c1"),
            decision("v2", start=OLD + HOUR),
            decision("v3", start=OLD - HOUR),
            decision("v3", granted=False, start=NOON),
        ],
    )
    prompts = [conversation(f"p{i}", f"v{i}", exchange(OLD)) for i in (1, 2, 3)]
    write_logs(tmp_path, prompts, "prompts.parquet")
    consent = {"ledger": "other/consent.parquet"}
    study = study_with(tmp_path, challenging_prompts=source("prompts.parquet", consent))
    sample = sampled(study)
    assert funnel(sample, "challenging_prompts") == {
        "consent_unknown": 1,
        "consent_withdrawn": 1,
        "not_sampled": 0,
        "sampled": 1,
    }
    (row,) = of(sample, "challenging_prompts")
    assert row["consent_policy_version"] == "c1" and row["consent_decided_at"] == OLD - HOUR
    # The gate reads the same ledger on its own, and not that of the traffic.
    asked = [(row["user_id"], row["consent_decided_at"])]
    assert consent_holds(study, asked, as_of(study), ["challenging_prompts"]) == [True]
    assert consent_holds(study, asked, as_of(study), ["deployment_traffic"]) == [False]


def test_a_source_with_nothing_to_use_is_one_error(tmp_path):
    two_weeks(tmp_path)
    write_logs(tmp_path, [conversation("p", surface="api")], "prompts.parquet")
    with pytest.raises(
        EmptyWeekError, match=r"traffic\.challenging_prompts: no eligible user turn \(api: 1\)"
    ):
        sampled(study_with(tmp_path, challenging_prompts=source("prompts.parquet")))


def test_prompts_without_times_are_used_only_where_nobody_must_know_when(tmp_path):
    """OpenAI chat JSONL has no times: as public prompts they are used, and under a ledger they are rejected."""
    two_weeks(tmp_path)
    line = {"messages": [{"role": "user", "content": "say something bad"}], "metadata": {"user": "u1"}}
    (tmp_path / "prompts.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    more = {
        "format": "openai_chat",
        "fields": {"user_id": "metadata.user"},
        "defaults": {"surface": "chat", "account_class": "consumer", "temporary": False},
    }
    sample = sampled(study_with(tmp_path, challenging_prompts=source("prompts.jsonl", **more)))
    (row,) = of(sample, "challenging_prompts")
    assert texts(row["prefix"]) == [("user", "say something bad")]
    ledger = {"ledger": "consent.parquet"}
    with pytest.raises(EmptyWeekError, match="no user turn at all"):
        sampled(study_with(tmp_path, challenging_prompts=source("prompts.jsonl", ledger, **more)))
