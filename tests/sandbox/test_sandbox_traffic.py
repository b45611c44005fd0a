"""Generated traffic: determinism, schema, who may be used, drift, and spans of planted personal data."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import TrafficError
from depsim_dagster.sandbox import personal, population, tables, traffic, truth
from depsim_dagster.sandbox.phrasebook import (
    DETAILS,
    LANGUAGES,
    PRESSURE,
    SYSTEM_PROMPTS,
    plain,
    read_message,
)
from depsim_dagster.sandbox.topics import TOPICS
from depsim_dagster.sandbox.world import World


def test_a_week_depends_on_the_world_alone(world):
    first, second = traffic.generate_week(world, 2), traffic.generate_week(world, 2)
    assert first[0].equals(second[0])
    assert first[1:] == second[1:]
    other = traffic.generate_week(dataclasses.replace(world, seed=12), 2)
    assert not first[0].equals(other[0])


def test_files_have_the_conversation_schema(world, lake):
    path = lake / "traffic" / f"week={world.week(0)}.parquet"
    assert pq.read_schema(path).equals(tables.CONVERSATION_SCHEMA)
    assert pq.ParquetFile(path).metadata.num_rows == world.conversations_per_week
    assert not list(lake.rglob("*.tmp"))


def test_messages_lie_in_their_week_in_order(world, rows):
    for week, conversations in rows.items():
        for row in conversations:
            times = [m["created_at"] for m in row["messages"]]
            assert times == sorted(times)
            assert row["messages"][0]["created_at"].date().isoformat() >= week
            assert (times[-1] - world.start).days // 7 == list(rows).index(week)


def test_every_situation_occurs(rows):
    conversations = [row for week in rows.values() for row in week]
    for key, values in {
        "surface": {"chat", "api"},
        "account_class": {"consumer", "employee", "enterprise"},
        "temporary": {True, False},
        "language": set(LANGUAGES),
    }.items():
        assert {row[key] for row in conversations} == values
    assert any(row["user_id"] is None for row in conversations)
    assert any(row["tools"] is None for row in conversations)
    last_roles = Counter(row["messages"][-1]["role"] for row in conversations)
    assert 0 < last_roles["user"] < last_roles["assistant"]
    assert any(m["attachments"] for row in conversations for m in row["messages"])
    assert any(m["reasoning"] for row in conversations for m in row["messages"])
    turns = Counter(sum(m["role"] == "user" for m in row["messages"]) for row in conversations)
    assert set(turns) == set(range(1, 7))


def test_tool_names_and_pairing_are_valid(rows):
    for row in (row for week in rows.values() for row in week):
        offered = [tool["function"]["name"] for tool in json.loads(row["tools"] or "[]")]
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", name) for name in offered)
        for message, following in zip(row["messages"], row["messages"][1:], strict=False):
            if message["tool_calls"]:
                (call,) = json.loads(message["tool_calls"])
                assert call["function"]["name"] in offered
                assert following["role"] == "tool" and following["tool_call_id"] == call["id"]


def test_consent_covers_every_case(world, lake):
    rows = pq.read_table(lake / "consent.parquet").to_pylist()
    by_user: dict[str, list[dict]] = {}
    for row in rows:
        by_user.setdefault(row["user_id"], []).append(row)
    kinds = Counter(user.consent for user in population.users(world))
    assert set(kinds) == {"granted", "late", "revoked", "denied", "never"}
    assert len(by_user) == len(population.users(world)) - kinds["never"]
    for user in population.users(world):
        mine = by_user.get(user.user_id, [])
        granted = [row["granted"] for row in mine]
        assert granted == {
            "granted": [True], "late": [True], "denied": [False], "revoked": [True, False], "never": [],
        }[user.consent]  # fmt: skip
        if user.consent == "revoked":
            assert mine[0]["effective_until"] == mine[1]["effective_from"] < world.end
        if user.consent == "late":
            assert world.start <= mine[0]["effective_from"] < world.end


def test_eligibility_takes_only_what_may_be_used(world, rows, grants):
    by_consent = {user.user_id: user.consent for user in population.users(world)}
    for conversations in rows.values():
        by_id = {row["conversation_id"]: row for row in conversations}
        turns = list(truth.eligible_turns(conversations, grants))
        users = Counter(by_consent[turn.user_id] for turn in turns)
        assert set(users) <= {"granted", "late"}
        for turn in turns:
            row = by_id[turn.conversation_id]
            assert (row["surface"], row["account_class"], row["temporary"]) == ("chat", "consumer", False)
            assert not any(m["attachments"] for m in row["messages"])
            assert row["messages"][turn.message_index]["role"] == "user"
            assert row["messages"][turn.message_index + 1]["role"] == "assistant"
        # The default world has 2,400 conversations a week and must give 3,000 eligible turns.
        assert len(turns) / world.conversations_per_week > 3000 / 2400


def test_a_late_grant_does_not_reach_back(rows, grants):
    checked = 0
    for conversations in rows.values():
        by_id = {row["conversation_id"]: row for row in conversations}
        for turn in truth.eligible_turns(conversations, grants):
            sent = by_id[turn.conversation_id]["messages"][turn.message_index]["created_at"]
            assert any(since <= sent for since in grants[turn.user_id])
            checked += 1
    assert checked


def test_activity_is_heavy_tailed(rows):
    counts = Counter(row["user_id"] for week in rows.values() for row in week if row["user_id"])
    top = sorted(counts.values(), reverse=True)
    assert sum(top[: len(top) // 10]) > 0.3 * sum(top)
    assert top[0] > 8 * np.median(top)


def test_topics_drift_from_week_to_week(world):
    shares = np.array([list(traffic.topic_shares(world, week).values()) for week in range(12)])
    assert np.allclose(shares.sum(axis=1), 1)
    ratio = shares.max(axis=0) / shares.min(axis=0)
    assert np.median(ratio) > 1.3 and ratio.max() < 8
    assert (np.abs(np.diff(shares, axis=0)) > 0).all()


def test_topic_and_language_are_readable_from_every_template():
    for topic in TOPICS.values():
        assert set(topic.templates) == set(LANGUAGES)
        for language, templates in topic.templates.items():
            for template in templates:
                for slot in topic.slots:
                    text = " ".join(
                        (plain(template).replace("{x}", slot), DETAILS[language][0], PRESSURE[language])
                    )
                    assert read_message(text) == (topic.name, language, True)
    for prompt in SYSTEM_PROMPTS:
        assert read_message(prompt) == (None, None, False)


def test_logged_language_is_the_one_that_is_read(rows):
    for row in (row for week in rows.values() for row in week):
        for message in row["messages"]:
            if message["role"] == "user":
                topic, language, _ = read_message(message["content"])
                assert topic in TOPICS and language == row["language"]


def test_planted_spans_match_the_text(rows, lake):
    texts = {row["conversation_id"]: row["messages"] for week in rows.values() for row in week}
    planted = pq.read_table(lake / "sandbox" / "planted_identifiers.parquet").to_pylist()
    assert {p["type"] for p in planted} == set(personal.TYPES)
    roles = Counter()
    for p in planted:
        message = texts[p["conversation_id"]][p["message_index"]]
        assert message["content"][p["start"] : p["end"]] == p["value"]
        roles[message["role"]] += 1
    assert roles["user"] > roles["assistant"] > 0


def test_planted_numbers_have_valid_check_digits(lake):
    planted = pq.read_table(lake / "sandbox" / "planted_identifiers.parquet").to_pylist()
    cards = [p["value"] for p in planted if p["type"] == "card"]
    ibans = [p["value"] for p in planted if p["type"] == "iban"]
    assert cards and all(map(personal.luhn_valid, cards))
    assert ibans and all(map(personal.iban_valid, ibans))


def test_checks_know_published_numbers():
    assert personal.luhn_valid("4111 1111 1111 1111") and not personal.luhn_valid("4111 1111 1111 1112")
    assert personal.iban_valid("GB82 WEST 1234 5698 7654 32") and not personal.iban_valid(
        "GB83 WEST 1234 5698 7654 32"
    )


def test_replacing_planted_values_leaves_the_reading_unchanged(rows, lake):
    texts = {row["conversation_id"]: row["messages"] for week in rows.values() for row in week}
    for p in pq.read_table(lake / "sandbox" / "planted_identifiers.parquet").to_pylist():
        message = texts[p["conversation_id"]][p["message_index"]]
        if message["role"] == "user":
            replaced = message["content"].replace(p["value"], "[REDACTED]")
            assert read_message(replaced) == read_message(message["content"])


def test_a_directory_of_another_world_is_refused(world, lake):
    shorter = World(seed=11, weeks=2, conversations_per_week=5)
    with pytest.raises(TrafficError, match=world.week(2)):
        next(traffic.write_traffic(shorter, lake))


def test_truth_needs_all_weeks(world, tmp_path):
    with pytest.raises(TrafficError, match=r"consent\.parquet"):
        truth.enumerate_truth(world, tmp_path)
    list(traffic.write_traffic(world, tmp_path, first=0, weeks=1))
    with pytest.raises(TrafficError, match=world.week(1)):
        truth.enumerate_truth(world, tmp_path)
