"""Replay of one week by one model: which prefixes, which request, and one row per draw whatever becomes of it."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import yaml

from depsim_dagster.config import StudyConfig, load_study
from depsim_dagster.errors import LakeError, TrafficError
from depsim_dagster.lake import Lake
from depsim_dagster.replay.regenerate import (
    LARGEST_SEED,
    PREFIX_COLUMNS,
    SAMPLES,
    SEEDS_PER_WEEK,
    regenerate,
)
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

WEEK, NEXT_WEEK = "2026-01-05", "2026-01-12"
TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


@pytest.fixture
def study(tmp_path) -> Callable[..., StudyConfig]:
    def make(**replay: Any) -> StudyConfig:
        document = {
            "version": 1,
            "name": "replay",
            "seed": 7,
            "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
            "weeks": {"first": dt.date(2026, 1, 5)},
            "deployments": [
                {"model": "old", "released": dt.date(2025, 1, 6), "endpoint": "local", "served_as": "m"},
                {
                    "model": "new",
                    "released": dt.date(2026, 2, 2),
                    "endpoint": "local",
                    "served_as": "m",
                    "predecessor": "old",
                },
                {
                    "model": "newer",
                    "released": dt.date(2026, 3, 2),
                    "endpoint": "local",
                    "served_as": "m",
                    "predecessor": "new",
                },
            ],
            "endpoints": {"local": {"base_url": "http://127.0.0.1:9/v1"}},
            "replay": replay,
            "grading": {"graders": {"rule": {"kind": "regex", "pattern": "x"}}, "default_grader": "rule"},
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(document))
        return load_study(tmp_path / "study.yaml")

    return make


def prefix(
    turn_id: str,
    text: str = "[ok] hi",
    deployment: str = "old",
    tools: Any = None,
    before: Any = (),
    source: str = "deployment_traffic",
) -> dict[str, Any]:
    messages = [*before, {"role": "user", "content": text}]
    return {
        "turn_id": turn_id,
        "user_id": f"user of {turn_id}",
        "deployment": deployment,
        "prefix_source": source,
        "prefix": json.dumps(messages),
        "tools": None if tools is None else json.dumps(tools),
    }


def batches(rows: list[dict[str, Any]], size: int = 2) -> list[pa.RecordBatch]:
    schema = pa.schema([DEIDENTIFIED_PREFIXES.schema.field(name) for name in PREFIX_COLUMNS])
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [pa.RecordBatch.from_pylist(part, schema=schema) for part in parts]


@pytest.fixture
def replay(study, endpoint, journal):
    """Replay these prefixes; returns the statistics and the rows in the order of turn and completion index."""

    def replay(rows, model="new", week=WEEK, config=None, **changes):
        replayed = regenerate(config or study(), week, model, batches(rows), endpoint(**changes), journal)
        table = pa.Table.from_batches(replayed.rows, REGENERATED_COMPLETIONS.schema)
        table.validate(full=True)
        return replayed.statistics, sorted(
            table.to_pylist(), key=lambda row: (row["turn_id"], row["completion_index"])
        )

    return replay


def sent(server) -> list[dict[str, Any]]:
    return [json.loads(body) for body in server.bodies]


@pytest.mark.parametrize(("model", "turns"), [("old", ["a"]), ("new", ["a", "b"]), ("newer", ["b", "c"])])
def test_a_model_is_simulated_on_its_predecessors_traffic_and_on_its_own(replay, model, turns):
    rows = [
        prefix("a", "[ok] a", "old"),
        prefix("b", "[ok] b", "new"),
        prefix("c", "[ok] c", "newer"),
        prefix("d", "[ok] d", "x"),
    ]
    _, completions = replay(rows, model)
    assert [row["turn_id"] for row in completions] == turns
    deployments = {"a": "old", "b": "new", "c": "newer"}
    assert all(
        (row["model"], row["deployment"]) == (model, deployments[row["turn_id"]]) for row in completions
    )


@pytest.mark.parametrize(
    ("model", "week", "turns"),
    [
        ("old", WEEK, ["a", "c", "e", "v"]),
        ("new", WEEK, ["a", "c", "e", "v"]),
        # Its predecessor is not deployed yet, so nothing of this week is forecast from it.
        ("newer", WEEK, []),
        ("newer", "2026-02-02", ["c", "e", "v"]),
    ],
)
def test_other_prefix_sources_are_replayed_by_every_model_that_the_week_simulates(replay, model, week, turns):
    rows = [
        prefix("a"),
        prefix("c", "[ok] c", "challenging_prompts", source="challenging_prompts"),
        prefix("e", "[ok] e", "external_corpus", source="external_corpus"),
        prefix("v", "[ok] v", "evaluation_prompts", source="evaluation_prompts"),
    ]
    _, completions = replay(rows, model, week)
    assert [row["turn_id"] for row in completions] == turns


def test_another_source_changes_no_draw_of_the_traffic(replay):
    traffic = [prefix("a", "[ok] same"), prefix("b", "[ok] same")]
    others = [
        prefix(f"{source}{number}", "[ok] same", source, source=source)
        for source in ("challenging_prompts", "external_corpus", "evaluation_prompts")
        for number in range(2)
    ]
    _, alone = replay(traffic)
    _, beside = replay([*others[:3], *traffic, *others[3:]])
    assert [row["request_id"] for row in beside if row["turn_id"] in ("a", "b")] == [
        row["request_id"] for row in alone
    ]
    assert len({row["request_id"] for row in beside}) == 8, "equal prompts of two sources are two draws"


def test_no_two_sources_share_seeds_in_any_week_of_a_study():
    """Of fifteen years: seeds are numbers below LARGEST_SEED, where the ranges of all weeks and sources must find room."""
    taken = sorted(
        ((week * SEEDS_PER_WEEK + samples.start) % LARGEST_SEED, len(samples))
        for week in range(1_300, 1_300 + 15 * 52)
        for samples in SAMPLES.values()
    )
    assert all(start + size <= after for (start, size), (after, _) in itertools.pairwise(taken))
    assert taken[-1][0] + taken[-1][1] <= LARGEST_SEED


def test_a_row_holds_the_answer_and_where_it_came_from(replay):
    _, (row,) = replay([prefix("a")])
    assert json.loads(row.pop("completion")) == {"role": "assistant", "content": "an answer"}
    assert len(row.pop("request_id")) == 64 and row.pop("latency_ms") > 0
    assert row == {
        "week": WEEK,
        "model": "new",
        "deployment": "old",
        "turn_id": "a",
        "completion_index": 0,
        "status": "ok",
        "finish_reason": "stop",
        "served_model": "served-2026",
        "endpoint": "local",
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "attempts": 1,
        "error_code": None,
        "sandbox": False,
    }


def test_equal_prefixes_are_draws_of_their_own_in_one_week_and_in_two(replay, server):
    rows = [prefix("a"), prefix("b"), prefix("c", "[ok] other"), prefix("d")]
    _, first = replay(rows)
    _, second = replay(rows, week=NEXT_WEEK)
    assert len({row["request_id"] for row in first + second}) == server.requests == 8
    seeds = [body["seed"] for body in sent(server) if body["messages"][0]["content"] == "[ok] hi"]
    assert len(set(seeds)) == len(seeds) == 6 and all(0 <= seed < 2**31 for seed in seeds)


def test_a_turn_that_leaves_the_sample_changes_no_draw_of_the_others(replay, server):
    """A person is erased who asked what others asked: the others' answers are not asked for again."""
    rows = [prefix(turn) for turn in "abcdef"]
    _, before = replay(rows)
    statistics, after = replay(rows[1:3] + rows[4:])
    assert statistics.sent == 0 and server.requests == 6
    requests = {row["turn_id"]: row["request_id"] for row in before}
    assert {row["turn_id"]: row["request_id"] for row in after} == {turn: requests[turn] for turn in "bcef"}


def test_turns_that_draw_the_same_number_get_answers_of_their_own(replay, server, monkeypatch):
    monkeypatch.setitem(SAMPLES, "deployment_traffic", range(3))
    _, completions = replay([prefix(turn) for turn in "abc"])
    assert len({row["request_id"] for row in completions}) == server.requests == 3


def test_k_completions_of_a_prefix(replay, study, server):
    config = study(completions_per_prefix=3)
    statistics, completions = replay([prefix("a"), prefix("b", "[ok] other"), prefix("c")], config=config)
    assert [(row["turn_id"], row["completion_index"]) for row in completions] == [
        (turn, index) for turn in "abc" for index in range(3)
    ]
    assert statistics.sent == server.requests == 9
    seeds = {(body["messages"][0]["content"], body["seed"]) for body in sent(server)}
    assert len(seeds) == 9


def test_the_request_holds_prefix_tools_and_sampling(replay, study, server):
    before = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2"},
    ]
    config = study(temperature=0.3, max_tokens=50)
    replay(
        [prefix("a", tools=[TOOL], before=before), prefix("b", "[ok] b")],
        config=config,
        max_tokens_param="max_tokens",
    )
    with_tools, without = sorted(sent(server), key=lambda body: "tools" not in body)
    assert with_tools["tools"] == [TOOL] and "tools" not in without
    assert with_tools["messages"] == [*before, {"role": "user", "content": "[ok] hi"}]
    assert (without["model"], without["temperature"], without["max_tokens"]) == ("m", 0.3, 50)


def test_a_study_may_replace_the_system_prompt(replay, study, server):
    before = [{"role": "system", "content": "Old."}, {"role": "developer", "content": "Older."}]
    config = study(system_prompt="New.", max_tokens=None)
    replay([prefix("a", before=before), prefix("b", "[ok] b")], config=config)
    for body in sent(server):
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert body["messages"][0]["content"] == "New."
        assert "max_tokens" not in body and "max_completion_tokens" not in body


def test_rows_come_in_the_order_of_the_prefixes_whenever_they_were_answered(study, endpoint, journal):
    """Grading reads prefixes and completions side by side."""
    rows = [
        prefix(turn, f"[{plan}] {turn}")
        for turn, plan in (("d", "429:0.1 ok"), ("a", "ok"), ("c", "ok"), ("b", "ok"))
    ]
    for asked in (rows[2:], rows):  # the last ones first
        config = study(completions_per_prefix=2)
        replayed = regenerate(config, WEEK, "new", batches(asked), endpoint(), journal)
        table = pa.Table.from_batches(replayed.rows, REGENERATED_COMPLETIONS.schema)
        found = zip(
            table.column("turn_id").to_pylist(), table.column("completion_index").to_pylist(), strict=True
        )
        assert list(found) == [(row["turn_id"], index) for row in asked for index in range(2)]


def test_rows_of_which_the_journal_lost_one_are_not_published(study, endpoint, journal):
    replayed = regenerate(study(), WEEK, "new", batches([prefix("a"), prefix("b")]), endpoint(), journal)
    for segment in journal.segments():
        segment.unlink()
    with pytest.raises(LakeError, match="2 calls were made and the journal lacks the answers to some"):
        list(replayed.rows)


def test_a_second_run_sends_nothing_and_gives_the_same_rows(replay, server):
    rows = [prefix("a"), prefix("b"), prefix("c", "[empty] c")]
    first, completions = replay(rows)
    again, same = replay(rows)
    assert (first.sent, again.sent, again.reused) == (3, 0, 3) and server.requests == 3
    assert same == completions


def test_a_changed_study_asks_again(replay, study, server):
    replay([prefix("a")])
    for change in ({"temperature": 0.5}, {"max_tokens": 5}, {"system_prompt": "New."}):
        statistics, _ = replay([prefix("a")], config=study(**change))
        assert statistics.sent == 1
    assert server.requests == 4


def test_every_way_to_fail_is_a_row(replay):
    rows = [
        prefix("a", "[ok] a"),
        prefix("b", "[400] b"),
        prefix("c", "[refusal] c"),
        prefix("d", "[length] d"),
        prefix("e", "[null] e"),
        prefix("f", "[400filter] f"),
        prefix("g", "[500] g"),
    ]
    _, completions = replay(rows, max_attempts=1)
    assert [row["status"] for row in completions] == [
        "ok",
        "failed",
        "refused",
        "truncated",
        "empty",
        "filtered",
        "failed",
    ]
    assert [row["turn_id"] for row in completions if row["completion"] is None] == ["b", "f", "g"]
    assert all(row["error_code"] for row in completions if row["completion"] is None)
    again, _ = replay(rows, max_attempts=1)
    assert again.sent == 2  # what failed is asked again, what was answered is not


def test_a_prefix_that_cannot_be_sent_is_named_without_its_text(replay):
    rows = [
        prefix("a"),
        prefix("turn-17", "secret words", before=[{"role": "robot", "content": "secret words"}]),
    ]
    with pytest.raises(
        TrafficError, match=r"deidentified_prefixes\[week=2026-01-05\], turn turn-17: message 0: `role`"
    ) as raised:
        replay(rows)
    assert "secret" not in str(raised.value)


def test_a_week_without_prefixes_of_the_lineage_is_published_empty(
    study, endpoint, journal, tmp_path, server
):
    lake = Lake(tmp_path / "store")
    partition = {"week": WEEK, "model": "new"}
    for rows in ([], [prefix("x", deployment="another lineage")]):
        replayed = regenerate(study(), WEEK, "new", batches(rows), endpoint(), journal)
        assert lake.write(REGENERATED_COMPLETIONS, partition, replayed.rows).rows == 0
        assert lake.read(REGENERATED_COMPLETIONS, partition).schema.equals(REGENERATED_COMPLETIONS.schema)
    assert server.requests == 0
