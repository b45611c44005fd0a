"""Every log format: what of a record becomes a prefix, a target turn and a row of the index."""

import datetime as dt
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from literal_logs import (
    AT,
    GOOD,
    KNOWN,
    PUBLIC,
    baseline_study,
    index,
    indexed,
    log_study,
    write_lines,
)
from literal_traffic import NOON

from depsim_dagster.privacy.turn_texts import TurnTexts
from depsim_dagster.traffic.pseudonyms import pseudonym

U = {"role": "user", "content": "hello"}
A = {"role": "assistant", "content": "hi"}
CALLS = [{"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}]


def user(found, name="u1") -> str:
    return pseudonym(found.study.hmac_key, "user", name)


@pytest.mark.parametrize("log_format", GOOD)
def test_each_format_gives_the_same_turn(tmp_path, log_format):
    found = indexed(tmp_path, [GOOD[log_format]], log_format)
    (turn,) = found.turns
    assert found.messages() == [([U], [A])]
    assert (turn["place"], turn["next_place"], turn["turn_index"]) == (1, 3, 0)
    assert turn["model"] == "m1" and turn["sent_at"] == NOON and turn["characters"] == 5
    assert turn["conversation_id"] == pseudonym(found.study.hmac_key, "conversation", "c1")
    assert turn["user_id"] == (user(found) if log_format not in ("lmsys", "sharegpt") else None)
    assert turn["language"] == ("en" if "language" in GOOD[log_format] else None)
    assert (turn["surface"], turn["account_class"], turn["temporary"]) == ("chat", "consumer", False)
    assert turn["answered"] and not turn["wordless"] and not turn["malformed"]


@pytest.mark.parametrize("log_format", GOOD)
def test_parquet_and_every_shape_of_json_give_the_same_rows(tmp_path, log_format):
    record = GOOD[log_format]
    if log_format == "depsim":
        parts = [part | {"created_at": NOON} for part in record["messages"]]
        pq.write_table(pa.Table.from_pylist([record | {"messages": parts}]), tmp_path / "logs-a.parquet")
    else:
        pq.write_table(pa.Table.from_pylist([record]), tmp_path / "logs-a.parquet")
    write_lines(tmp_path / "logs-b.ndjson", [record])
    (tmp_path / "logs-c.json").write_text(json.dumps([record], indent=1))
    (tmp_path / "logs-d.json").write_text(json.dumps({"conversations": [record]}))
    (tmp_path / "logs-e.json").write_text(json.dumps(record, indent=4))
    (tmp_path / "logs-f.json.gz").write_bytes(gzip.compress((json.dumps(record) + "\n").encode() * 2))
    found = index(log_study(tmp_path, log_format))
    assert len(found.turns) == 7
    varies = ("file", "record")
    assert len({str([v for k, v in turn.items() if k not in varies]) for turn in found.turns}) == 1


def test_values_of_a_record_stand_before_defaults_and_mapped_fields_before_both(tmp_path):
    said = GOOD["depsim"] | {"surface": "api", "account_class": "employee", "temporary": True}
    silent = {k: v for k, v in GOOD["depsim"].items() if k not in (*KNOWN, "model")}
    found = indexed(tmp_path, [said, silent], "depsim", defaults=KNOWN | {"model": "m9"})
    columns = ("surface", "account_class", "temporary", "model")
    assert [[turn[name] for name in columns] for turn in found.turns] == [
        ["api", "employee", True, "m1"],
        ["chat", "consumer", False, "m9"],
    ]
    mapped = GOOD["openai_chat"] | {
        "metadata": {
            "who": {"id": 17},
            "model": "llm-2026",
            "a.b": "enterprise",
            "api": "api",
            "lang": "German",
        },
        "private": True,
        "at": "2026-01-08T01:00:00+02:00",
    }
    fields = {
        "user_id": "metadata.who.id",
        "model": "metadata.model",
        "conversation_id": "metadata.nothing",
        "account_class": "metadata.a.b",
        "surface": "metadata.api",
        "temporary": "private",
        "language": "metadata.lang",
        "sent_at": "at",
    }
    (turn,) = (found := indexed(tmp_path, [mapped], fields=fields, models={"llm-2026": "m1"})).turns
    assert turn["user_id"] == user(found, "17") and turn["model"] == "m1" and turn["language"] == "de"
    assert [turn[name] for name in columns] == ["api", "enterprise", True, "m1"]
    assert turn["sent_at"] == dt.datetime(2026, 1, 7, 23, tzinfo=dt.UTC)
    assert turn["conversation_id"] == pseudonym(found.study.hmac_key, "conversation", "c1")


def test_a_log_that_does_not_say_what_it_is_is_unknown(tmp_path):
    (turn,) = indexed(tmp_path, [GOOD["openai_chat"]], defaults={}).turns
    assert (turn["surface"], turn["account_class"], turn["temporary"]) == ("unknown", "unknown", None)


def test_nothing_that_a_log_says_gets_into_the_index_as_text(tmp_path):
    secret = "ann@example.com lives at 5, High Street"
    record = GOOD["depsim"] | {
        "conversation_id": secret,
        "user_id": secret,
        "model": secret,
        "language": secret,
        "surface": secret,
        "account_class": secret,
        "tools": secret,
        "attributes": json.dumps({secret: secret}),
        "messages": [{"role": secret, "content": secret, "name": secret, "created_at": AT}]
        + [{"role": "user", "content": f"{secret} {i}", "created_at": AT} for i in range(2)],
    }
    bad = {secret: secret, "messages": [{secret: secret}]}
    found = indexed(tmp_path, [record, bad, f'{{"{secret}'.encode()], "depsim")
    assert len(found.turns) == len(found.rejects) == 2
    stored = b"".join(file.read_bytes() for file in sorted(found.lake.root.rglob("*")) if file.is_file())
    for word in (b"ann@", b"example", b"High", b"Street", b"lives"):
        assert word not in stored and word.decode() not in str(found.turns + found.rejects)
    turn = found.turns[0]
    assert [turn[n] for n in ("model", "language", "surface", "account_class")] == [
        None,
        None,
        "unknown",
        "unknown",
    ]
    assert turn["malformed"] and turn["malformed_reason"] == "unknown_role"


# --------------------------------------------------------------------------------------------------------------- openai_chat
def test_content_parts_are_text_and_what_is_not_text_is_counted_and_dropped(tmp_path):
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "text", "text": "there"},
    ]
    spoken = {
        "role": "assistant",
        "content": None,
        "audio": {"id": "a", "data": "AAAA", "transcript": "I see"},
    }
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot"}]}
    records = [
        {"messages": [{"role": "user", "content": parts}, A], "created": 1767787200},
        {"messages": [{"role": "user", "content": parts[:2]}, A], "created": 1767787200},
        {"messages": [U, spoken], "created": 1767787200},
        {"messages": [U, refused], "created": 1767787200},
        {"messages": [U, {"role": "assistant", "content": None, "refusal": "No"}], "created": 1767787200},
        {"messages": [{"role": "user", "content": parts[1:2]}, A], "created": 1767787200},
    ]
    found = indexed(tmp_path, records)
    assert [(turn["has_attachment"], turn["has_image"]) for turn in found.turns] == [
        (True, True),
        (False, True),
        (True, False),
        (False, False),
        (False, False),
        (False, True),
    ]
    messages = found.messages()
    assert messages[0][0] == [
        {"role": "user", "content": "look\nthere", "attachments": 3}
    ] and "AAAA" not in str(found.texts())
    assert [target[0]["content"] for _, target in messages[2:5]] == ["I see", "I cannot", "No"]
    assert [turn["wordless"] for turn in found.turns] == [False] * 5 + [True]
    # De-identification takes the number out of the texts and reports it.
    counted = [TurnTexts.of(row) for row in found.texts()]
    assert [turn.attachments for turn in counted] == [3, 1, 1, 0, 0, 1]
    assert all(set(message) == {"role", "content"} for turn in counted[:1] for message in turn.messages())


def test_tools_reasoning_and_the_old_function_api(tmp_path):
    tools = [{"type": "function", "function": {"name": "search"}}]
    new = [
        {"role": "developer", "content": "be brief"},
        U,
        {"role": "assistant", "content": None, "reasoning_content": "look it up", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "t1", "content": "found"},
        A,
    ]
    old = [
        U,
        {"role": "assistant", "content": None, "function_call": {"name": "search", "arguments": "{}"}},
        {"role": "function", "name": "search", "content": "found"},
        A,
    ]
    thought = [
        U,
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}],
        },
    ]
    found = indexed(
        tmp_path,
        [
            {"messages": new, "tools": tools, "created": 1767787200},
            {"messages": old, "functions": [{"name": "search"}], "created": 1767787200},
            {"messages": thought, "created": 1767787200},
        ],
    )
    assert not any(turn["malformed"] for turn in found.turns)
    (_, first), (_, second), (_, third) = found.messages()
    called = {"role": "tool", "content": "found", "tool_call_id": "t1"}
    assert first == [{"role": "assistant", "reasoning": "look it up", "tool_calls": CALLS}, called, A]
    assert second[0]["tool_calls"][0]["function"]["name"] == "search"
    assert second[1] == called | {"tool_call_id": second[0]["tool_calls"][0]["id"], "name": "search"}
    assert third == [A | {"reasoning": "hm"}]
    assert [json.loads(row["tools"]) if row["tools"] else None for row in found.texts()] == [
        tools,
        tools,
        None,
    ]


COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1767787200,
    "model": "m1",
    "choices": [{"index": 0, "message": A, "finish_reason": "stop"}],
}
REQUEST = {"model": "alias", "messages": [U, A, {"role": "user", "content": "more"}], "user": "u1"}


@pytest.mark.parametrize(
    "record",
    [
        {
            "custom_id": "r",
            "method": "POST",
            "body": REQUEST,
            "response": {"status_code": 200, "body": COMPLETION},
        },
        {"request": REQUEST, "response": COMPLETION},
        REQUEST | {"response": COMPLETION, "startTime": "2026-01-07 12:00:00.000000"},
        REQUEST | COMPLETION,
    ],
)
def test_of_a_call_the_last_user_turn_is_new_and_the_answer_is_its_target(tmp_path, record):
    found = indexed(tmp_path, [record])
    (turn,) = found.turns
    assert (turn["turn_index"], turn["place"], turn["next_place"]) == (1, 3, 5)
    assert found.messages() == [([U, A, {"role": "user", "content": "more"}], [A])]
    assert turn["model"] == "m1" and turn["user_id"] == user(found) and turn["sent_at"] == NOON


def test_calls_without_an_answer_or_request_and_calls_that_go_on(tmp_path):
    agentic = [
        U,
        {"role": "assistant", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "t1", "content": "x"},
    ]
    found = indexed(
        tmp_path,
        [
            COMPLETION,
            {"custom_id": "r", "response": {"status_code": 200, "body": COMPLETION}, "error": None},
            {"custom_id": "r", "body": REQUEST, "response": {"status_code": 500, "body": {"error": {}}}},
            REQUEST | {"response": "", "startTime": AT, "status": "failure"},
            {"request": REQUEST | {"messages": agentic}, "response": COMPLETION},
        ],
        defaults=KNOWN | {"sent_at": AT},
    )
    assert found.reasons == [
        (0, "no_request", "messages"),
        (1, "no_request", "messages"),
        (4, "continues_a_turn", "request.messages"),
    ]
    assert [(turn["record"], turn["answered"]) for turn in found.turns] == [(2, False), (3, False)]


def test_a_record_without_an_id_is_named_by_its_content(tmp_path):
    record = {"messages": [U, A], "created": 1767787200}
    other = {"messages": [U, A | {"content": "ho"}], "created": 1767787200}
    first, twice, different = indexed(tmp_path, [record, record, other]).turns
    assert first["conversation_id"] == twice["conversation_id"] != different["conversation_id"]
    assert first["record_digest"] == twice["record_digest"] != different["record_digest"]
    assert first["prompt_digest"] == different["prompt_digest"]


# ------------------------------------------------------------------------------------------------------------- corpora
def test_wildchat_in_its_three_editions(tmp_path):
    one_million = GOOD["wildchat"] | {
        "toxic": False,
        "redacted": True,
        "turn": 1,
        "country": "France",
        "header": {},
    }
    recent = {
        "conversation_hash": "c2",
        "model": "m1",
        "timestamp": "2026-01-07T12:00:03",
        "conversation": [
            U | {"created": None, "hashed_ip": "u2", "timestamp": None, "toxic": False},
            A | {"created": 1767787200, "hashed_ip": None, "usage": {"total_tokens": 3}, "toxic": True},
        ],
    }
    first = {
        "conversation_id": "c3",
        "model": "m1",
        "timestamp": "2026-01-07 12:00:00+00:00",
        "conversation": [U | {"language": "English", "redacted": False, "toxic": False}, A | {"toxic": True}],
    }
    found = indexed(tmp_path, [one_million, recent, first], "wildchat")
    assert [turn["user_id"] for turn in found.turns] == [user(found), user(found, "u2"), None]
    assert {turn["sent_at"] for turn in found.turns} == {NOON}
    assert [json.loads(row["attributes"]) for row in found.texts()] == [
        {"toxic": False, "redacted": True},
        {"toxic": True},
        {"toxic": True, "redacted": False},
    ]
    assert "France" not in str(found.texts())


def test_wildchat_from_parquet_with_times_without_a_zone(tmp_path):
    record = GOOD["wildchat"] | {
        "timestamp": dt.datetime(2026, 1, 7, 12, 0, 5),
        "openai_moderation": [{"flagged": True}],
    }
    record["conversation"] = [
        part | {"timestamp": dt.datetime(2026, 1, 7, 12) if part["role"] == "assistant" else None}
        for part in record["conversation"]
    ]
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "logs.parquet")
    (turn,) = index(log_study(tmp_path, "wildchat")).turns
    assert turn["sent_at"] == NOON, "a question was sent before its answer"


def test_another_field_may_say_who_the_user_is(tmp_path):
    found = indexed(
        tmp_path, [GOOD["wildchat"] | {"account": "u9"}], "wildchat", fields={"user_id": "account"}
    )
    assert found.turns[0]["user_id"] == user(found, "u9")


def test_lmsys_has_no_times_and_no_users(tmp_path):
    found = indexed(tmp_path, [GOOD["lmsys"] | {"redacted": True}], "lmsys", defaults=KNOWN)
    assert found.reasons == [(0, "no_time", "sent_at")]
    found = index(baseline_study(tmp_path, "lmsys"), "challenging_prompts")
    (turn,) = found.turns
    assert turn["sent_at"] is None and turn["language"] == "en"
    assert json.loads(found.texts()[0]["attributes"]) == {"redacted": True}


def test_sharegpt_and_its_variants(tmp_path):
    speakers = [("human", "gpt"), ("user", "chatgpt"), ("User", "Assistant"), ("human", "bing")]
    records = [
        {"conversations": [{"from": q, "value": "hello"}, {"from": a, "value": "hi"}]} for q, a in speakers
    ]
    records += [
        {"conversation": [U, A]},
        {"items": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi", "markdown": None}]},
        {
            "id": "tools",
            "tools": '[{"name": "search"}]',
            "conversations": [
                {"from": "system", "value": "be brief"},
                {"from": "human", "value": "hello"},
                {"from": "function_call", "value": '{"name": "search", "arguments": {"q": 1}}'},
                {"from": "observation", "value": "found"},
                {"from": "gpt", "value": "hi"},
            ],
        },
    ]
    found = indexed(tmp_path, records, "sharegpt")
    assert found.messages()[:-1] == [([U], [A])] * 6
    prefix, target = found.messages()[-1]
    assert [part["role"] for part in prefix + target] == ["system", "user", "assistant", "tool", "assistant"]
    (call,) = target[0]["tool_calls"]
    assert (
        call["function"] == {"name": "search", "arguments": '{"q": 1}'}
        and target[1]["tool_call_id"] == call["id"]
    )
    assert not any(turn["malformed"] for turn in found.turns)


# ---------------------------------------------------------------------------------------------------------------- times
def test_a_message_without_a_time_takes_that_of_the_next_which_has_one(tmp_path):
    def at(minute):
        return f"2026-01-07T12:{minute:02}:00Z"

    messages = [U, A | {"created_at": at(1)}, U, U | {"created_at": at(5)}, A, U]
    found = indexed(tmp_path, [{"messages": messages, "created": at(9)}])
    assert [turn["sent_at"].minute for turn in found.turns] == [1, 5, 5, 9]
    assert not any(turn["malformed"] for turn in found.turns)


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-07T12:00:00Z",
        "2026-01-07 12:00:00+00:00",
        "2026-01-07T17:30:00+05:30",
        "2026-01-07 12:00:00 UTC",
        "20260107T120000Z",
        1767787200,
        1767787200.0,
        1767787200000,
    ],
)
def test_times_are_moments_however_they_are_written(tmp_path, written):
    assert indexed(tmp_path, [GOOD["openai_chat"] | {"created": written}]).turns[0]["sent_at"] == NOON


def test_a_conversation_whose_times_run_backwards_cannot_be_replayed(tmp_path):
    def asked(first, then):
        return {"messages": [U | {"created_at": first}, A | {"created_at": then}]}

    found = indexed(
        tmp_path,
        [
            asked("2026-01-07T12:00:00Z", "2026-01-07T11:58:00Z"),
            asked("2026-01-07T12:00:00Z", "2026-01-07T11:00:00Z"),
        ],
    )
    assert [turn["malformed_reason"] for turn in found.turns] == [None, "times_not_in_order"]


# ------------------------------------------------------------------------------------------------------------ real files
def test_real_litellm_payload(tmp_path, shared_data):
    file = shared_data / "log-formats" / "litellm_standard_logging_payload.json"
    fields = {"user_id": "metadata.user_api_key_end_user_id"}
    found = index(log_study(tmp_path, paths=[str(file)], fields=fields, models={"gpt-4o": "m1"}))
    (turn,) = found.turns
    assert turn["model"] == "m1" and turn["user_id"] is None and turn["sent_at"].year == 2025
    roles = [part["role"] for part in sum(found.messages()[0], [])]
    assert roles == ["user", "assistant"]


def test_real_batch_outputs_are_rejected_without_their_requests_and_read_with_them(tmp_path, shared_data):
    file = shared_data / "log-formats" / "openai_batch_output.jsonl"
    found = index(log_study(tmp_path, paths=[str(file)]))
    assert [reason for _, reason, _ in found.reasons] == ["no_request"] * 2
    outputs = [json.loads(line) for line in file.read_text().splitlines()]
    joined = [output | {"body": {"messages": [U]}} for output in outputs]
    found = indexed(tmp_path, joined)
    assert [turn["sent_at"].year for turn in found.turns] == [2024, 2024] and not found.rejects
    answers = sum(bool(target[0]["content"]) for _, target in found.messages())
    assert answers == 2


def test_real_tool_use_trajectories_are_replayable(tmp_path, shared_data):
    file = shared_data / "tau-bench-airline" / "gpt-4o-airline.json"
    runs = json.loads(file.read_text())
    write_lines(tmp_path / "logs.jsonl", ({"messages": run["traj"]} for run in runs))
    found = index(log_study(tmp_path, defaults=KNOWN | {"sent_at": AT}))
    trajectories, turns = len(runs), len(found.turns)
    assert found.files[0].conversations == trajectories == 100 and not found.rejects
    assert not any(turn["malformed"] for turn in found.turns)
    asked = sum(message["role"] == "user" for run in runs for message in run["traj"])
    assert turns == asked > 500


def test_real_prompts_with_users_times_and_languages(tmp_path, shared_data):
    """Arena prompts as a user would feed them: one line of code that names the project's own columns."""
    file = shared_data / "arena-user-prompts" / "question_original.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    records = [
        {
            "conversation_id": row["question_id"],
            "user_id": row["judge"],
            "model": row["model_a"],
            "language": row["language"],
            "messages": [
                {"role": "user", "content": text, "created_at": row["tstamp"]} for text in row["turns"]
            ],
        }
        for row in rows
    ]
    found = indexed(tmp_path, records, "depsim")
    prompts, users = sum(len(row["turns"]) for row in rows), len({row["judge"] for row in rows})
    turns, accounts = len(found.turns), len({turn["user_id"] for turn in found.turns})
    assert turns == prompts > 500 and accounts == users and not found.rejects
    assert {turn["sent_at"].year for turn in found.turns} == {2023}
    languages = [turn["language"] for turn in found.turns if turn["language"]]
    assert "en" in languages and len(languages) > 0.95 * turns


def test_real_adversarial_transcripts_as_challenging_prompts(tmp_path, shared_data):
    """hh-rlhf transcripts, split at their speakers into ShareGPT records."""
    text = gzip.decompress((shared_data / "hh-rlhf-harmless" / "harmless-base.test.jsonl.gz").read_bytes())
    records = []
    for line in text.decode().splitlines():
        pieces = json.loads(line)["chosen"].split("\n\nHuman: ")[1:]
        turns = []
        for piece in pieces:
            asked, *answers = piece.split("\n\nAssistant:")
            turns.append({"from": "human", "value": asked})
            turns += [{"from": "gpt", "value": answer.strip()} for answer in answers]
        records.append({"conversations": turns})
    write_lines(tmp_path / "logs.jsonl", records)
    found = index(baseline_study(tmp_path, "sharegpt", consent=PUBLIC), "challenging_prompts")
    transcripts, conversations = len(records), len({turn["conversation_id"] for turn in found.turns})
    assert found.files[0].conversations == transcripts > 100
    assert {turn["sent_at"] for turn in found.turns} == {None}
    assert conversations > 0.9 * transcripts
