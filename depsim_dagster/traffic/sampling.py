"""The sample: every user turn of the week meets the rules in one order, and a seeded hash picks among the eligible.

Rules are counted, so that the funnel adds up to the traffic. The hash depends on the seed, the conversation and the
turn alone: adding a file to the logs does not reshuffle what was sampled before.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.duckdb_sql import connect, literal
from depsim_dagster.errors import EmptyWeekError
from depsim_dagster.traffic.readers import define_consent, define_conversations, unreadable
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC, SAMPLING_FUNNEL

MESSAGE_FIELDS = ("role", "content", "reasoning", "tool_calls", "tool_call_id", "name")
BATCH_ROWS = 2_000
# The language goes on into tables that hold no text, so what is no tag (`en`, `pt-BR`) does not pass.
LANGUAGE_TAG = "[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,4}){0,2}"


@dataclass(frozen=True)
class WeekSample:
    """The funnel of one week and a stream of its sampled turns (SAMPLED_TRAFFIC rows)."""

    funnel: pa.Table
    rows: Iterator[pa.RecordBatch]
    eligible: int
    sampled: int


# What a record must be, so that it can be replayed: one that is not is counted, it does not stop the week.
_RECORD_MACROS = """
    create temp macro json_list(value) as nullif(nullif(nullif(trim(value), ''), '[]'), 'null');
    create temp macro is_json(value, wanted) as coalesce(try(json_type(value)) = wanted, value is null);
    create temp macro are_tool_calls(value) as coalesce(try(
        json_type(value) = 'ARRAY' and json_array_length(value) = len(list_filter(json_extract(value, '$[*]'), lambda call:
            coalesce(call ->> 'id', '') <> '' and (call ->> 'type' = 'custom' or coalesce(call -> 'function' ->> 'name', '') <> '')
        ))), value is null);
    create temp macro is_malformed(message) as
        message.role not in ('system', 'developer', 'user', 'assistant', 'tool')
        or (message.role = 'tool' and message.tool_call_id is null)
        or not are_tool_calls(json_list(message.tool_calls));
"""

_USER_TURNS = r"""
    create temp table user_turns as
    with within as (
        select * from conversations
        where len(list_filter(messages, lambda m: m.role = 'user' and m.created_at >= $start and m.created_at < $end)) > 0
    ),
    repeated as (select conversation_id from conversations group by conversation_id having count(*) > 1),
    placed as (
        select *, list_filter(range(1, len(messages) + 1), lambda i: messages[i].role = 'user') as places,
               len(list_filter(messages, lambda m: coalesce(m.attachments, 0) > 0)) > 0 as has_attachment,
               account_class is null or surface is null or temporary is null
                   or not is_json(json_list(tools), 'ARRAY') or not is_json(nullif(attributes, ''), 'OBJECT')
                   or len(list_filter(messages, lambda m: is_malformed(m))) > 0 as malformed,
               conversation_id in (from repeated) as duplicated
        from within
    ),
    turned as (
        select * exclude (places), unnest(list_transform(range(1, len(places) + 1), lambda k:
               {turn_index: k - 1, place: places[k], next_place: coalesce(places[k + 1], len(messages) + 1)})) as turn
        from placed
    )
    select conversation_id, user_id, model, surface, account_class, temporary, has_attachment, malformed, duplicated,
           turn.turn_index::integer as turn_index, turn.place as place, turn.next_place as next_place,
           messages[turn.place].created_at as sent_at,
           len(list_filter(messages[1 : turn.place], lambda m: coalesce(m.content, '') <> '')) = 0 as wordless,
           len(list_filter(messages[turn.place + 1 : turn.next_place - 1], lambda m: m.role = 'assistant'
               and (regexp_matches(coalesce(m.content, ''), '\S') or json_list(m.tool_calls) is not null))) > 0 as answered
    from turned
    where messages[turn.place].created_at >= $start and messages[turn.place].created_at < $end
"""


def sample_week(study: StudyConfig, week: dt.date) -> WeekSample:
    """Draw the week's sample of eligible user turns, uniformly and without replacement.

    Raises:
        TrafficError: a file cannot be read.
        EmptyWeekError: the week has no eligible turn.
    """
    as_of = study.traffic.as_of or dt.datetime.now(dt.UTC)
    connection = connect()
    define_conversations(connection, study)
    try:
        _classify_turns(connection, study, week, as_of)
    except duckdb.Error as error:  # its message may quote a value
        raise unreadable(connection, study, error) from None
    counts = dict(connection.execute("select rule, count(*) from turns group by rule").fetchall())
    eligible = counts.pop("eligible", 0)
    limit = study.sampling.turns_per_week
    sampled = eligible if limit is None else min(eligible, limit)
    order = [rule for rule, _ in _rules(study)]
    steps = [(rule, counts[rule]) for rule in order if rule in counts] + [
        ("not_sampled", eligible - sampled),
        ("sampled", sampled),
    ]
    funnel = pa.Table.from_pylist(
        [
            {"week": str(week), "position": place, "rule": rule, "turns": turns, "sandbox": study.sandbox}
            for place, (rule, turns) in enumerate(steps)
        ],
        schema=SAMPLING_FUNNEL.schema,
    )
    if not eligible:
        seen = ", ".join(f"{rule}: {turns}" for rule, turns in steps if turns) or "no user turn at all"
        raise EmptyWeekError(
            f"week {week}: no eligible user turn ({seen}). Add traffic for this week, correct the consent ledger, "
            "or take the week out of the study's weeks"
        )
    return WeekSample(
        funnel, _sampled_rows(connection, study, week, as_of, eligible, sampled), eligible, sampled
    )


def _rules(study: StudyConfig) -> list[tuple[str, str]]:
    """(rule, SQL condition under which it excludes a turn), in the order in which they are asked."""
    exclude = study.sampling.exclude
    models = ", ".join(literal(deployment.model) for deployment in study.deployments)
    rules = [
        ("unknown_deployment", f"model is null or model not in ({models})"),
        ("malformed_record", "malformed"),
        ("duplicate_conversation", "duplicated"),
        ("no_assistant_turn", "not answered"),
        ("empty_prefix", "wordless"),
    ]
    optional = [
        (exclude.temporary_chats, "temporary_chat", "temporary"),
        (exclude.employees, "employee", "account_class = 'employee'"),
        (exclude.enterprise, "enterprise", "account_class = 'enterprise'"),
        (
            exclude.employees or exclude.enterprise,
            "unknown_account_class",
            "account_class not in ('consumer', 'employee', 'enterprise')",
        ),
        (exclude.api, "api", "surface <> 'chat'"),
        (exclude.attachments, "attachment", "has_attachment"),
    ]
    rules += [(rule, condition) for on, rule, condition in optional if on]
    if study.traffic.consent.public_corpus is None:
        rules += [
            ("consent_unknown", "granted_then is null"),
            ("consent_ambiguous", "conflicting_then or conflicting_now"),
            ("consent_not_held", "not granted_then or until_then <= sent_at"),
            ("consent_withdrawn", "granted_now is null or not granted_now or until_now <= $as_of"),
        ]
    return rules


def _classify_turns(
    connection: duckdb.DuckDBPyConnection, study: StudyConfig, week: dt.date, as_of: dt.datetime
) -> None:
    """Create the table `turns`: one row per user turn of the week with the first rule that excludes it, no text."""
    start = dt.datetime.combine(week, dt.time(), dt.UTC)
    connection.execute(_RECORD_MACROS)
    connection.execute(_USER_TURNS, {"start": start, "end": start + WEEK})
    rules = " ".join(f"when {condition} then {literal(rule)}" for rule, condition in _rules(study))
    if study.traffic.consent.public_corpus is not None:
        connection.execute(f"""
            create temp table turns as
            select *, case {rules} else 'eligible' end as rule,
                   'public_corpus' as policy_version, timestamptz {literal(as_of.isoformat())} as decided_at
            from user_turns
        """)
        return
    define_consent(connection, study)
    connection.execute(
        f"""
        create temp table turns as
        with ledger as (
            -- Decisions known and in force by now. Two that start together and differ are a conflict.
            select user_id, effective_from, bool_and(granted) as granted, min(policy_version) as policy_version,
                   min(effective_until) as effective_until,
                   count(distinct granted) > 1 or count(distinct policy_version) > 1 as conflicting
            from consent
            where scope = $scope and effective_from <= $as_of and recorded_at <= $as_of
            group by user_id, effective_from
        ),
        newest as (select * from ledger qualify row_number() over (partition by user_id order by effective_from desc) = 1),
        decided as (
            select user_turns.*, held.granted as granted_then, held.conflicting as conflicting_then,
                   held.effective_until as until_then, held.policy_version, held.effective_from as decided_at,
                   newest.granted as granted_now, newest.conflicting as conflicting_now, newest.effective_until as until_now
            from user_turns
            asof left join ledger as held on user_turns.user_id = held.user_id and user_turns.sent_at >= held.effective_from
            left join newest on user_turns.user_id = newest.user_id
        )
        select *, case {rules} else 'eligible' end as rule from decided
        """,
        {"scope": study.traffic.consent.scope, "as_of": as_of},
    )


def _sampled_rows(
    connection: duckdb.DuckDBPyConnection,
    study: StudyConfig,
    week: dt.date,
    as_of: dt.datetime,
    eligible: int,
    sampled: int,
) -> Iterator[pa.RecordBatch]:
    key = study.hmac_key
    # One value for the whole sample: what differs between the rows comes out of the query.
    constant = {
        "week": str(week),
        "prefix_source": "deployment_traffic",
        "inclusion_probability": sampled / eligible,
        "consent_granted": True,
        "sandbox": study.sandbox,
    }
    try:
        reader = connection.sql(
            """
            with chosen as (
                select * from turns where rule = 'eligible'
                order by sha256($seed || ':' || conversation_id || '#' || turn_index), conversation_id, turn_index limit $sampled
            )
            select chosen.* exclude (place, next_place, rule, malformed, duplicated, answered, wordless),
                   case when regexp_full_match(logs.language, $language) then logs.language end as language,
                   nullif(logs.attributes, '') as attributes, nullif(logs.tools, '') as tools,
                   logs.messages[1 : chosen.place] as prefix,
                   logs.messages[chosen.place + 1 : chosen.next_place - 1] as target
            from chosen join conversations as logs using (conversation_id)
            order by chosen.conversation_id, chosen.turn_index
            """,
            params={"seed": str(study.seed), "sampled": sampled, "language": LANGUAGE_TAG},
        ).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            rows = [{**row, **constant, **_pseudonymous(key, row)} for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=SAMPLED_TRAFFIC.schema)
    except duckdb.Error as error:  # its message may quote a value
        raise unreadable(connection, study, error) from None


def _pseudonymous(key: bytes, row: dict[str, Any]) -> dict[str, Any]:
    """The columns of SAMPLED_TRAFFIC that are made of a row of the logs."""
    conversation = pseudonym(key, "conversation", row["conversation_id"])
    return {
        "turn_id": pseudonym(key, "turn", f"{row['conversation_id']}#{row['turn_index']}"),
        "conversation_id": conversation,
        "user_id": conversation if row["user_id"] is None else pseudonym(key, "user", row["user_id"]),
        "deployment": row["model"],
        "consent_policy_version": row["policy_version"],
        "consent_decided_at": row["decided_at"],
        "prefix": chat_messages(row["prefix"]),
        "target": chat_messages(row["target"]),
    }


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Keyed HMAC-SHA-256 of an identifier, 128 bits in hex. `kind` keeps equal ids of different kinds apart."""
    return hmac.new(key, f"{kind}:{identifier}".encode(), hashlib.sha256).hexdigest()[:32]


def chat_messages(messages: list[dict[str, Any]]) -> str:
    """Log messages as a JSON list of chat messages, without the fields that a log adds."""
    cleaned = []
    for message in messages:
        kept = {name: message[name] for name in MESSAGE_FIELDS if message.get(name) is not None}
        calls = json.loads(kept.pop("tool_calls", None) or "[]")
        cleaned.append(kept | ({"tool_calls": calls} if calls else {}))
    return json.dumps(cleaned, ensure_ascii=False)
