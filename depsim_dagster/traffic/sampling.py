"""The sample of a week: every user turn meets the rules in one order, and a keyed hash draws among the eligible ones.

It works on the text-free turn index. Texts are read once at the end, for the turns that were drawn. The hash depends on
the seed, the conversation and the turn alone: files, their order and further files do not reshuffle a sample.
What a rate from it is a rate of: eligible user turns of the week, where a prompt that is repeated counts once
(`sampling.duplicates`); draw.py says it for each option of the draw.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.duckdb_sql import connect, literal
from depsim_dagster.errors import EmptyWeekError, TrafficError
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.erasure.records import erased_users
from depsim_dagster.traffic.consent_ledger import (
    as_of,
    define_consent,
    latest_moment,
    unreadable_decisions,
)
from depsim_dagster.traffic.consent_standing import CONSENT_RULES, join_consent
from depsim_dagster.traffic.draw import draw_turns
from depsim_dagster.traffic.duplicates import (
    exclude_near_duplicates,
    exclude_repeated_prompts,
    find_repeated_records,
)
from depsim_dagster.traffic.pseudonyms import pseudonym
from depsim_dagster.traffic.rules import SHOWN_RULES, PrefixSource, prefix_sources, rule_order, turn_rules
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC, SAMPLING_FUNNEL
from depsim_dagster.traffic.turn_index import define_turns, read_turns


@dataclass(frozen=True)
class WeekSample:
    """The funnel of one week and a stream of its sampled turns (SAMPLED_TRAFFIC rows), of all prefix sources.

    `eligible` and `sampled` count turns of the deployments' own traffic; `unreadable_consent` rows of consent ledgers,
    by what is wrong with them.
    """

    funnel: pa.Table
    rows: Iterator[pa.RecordBatch]
    eligible: int
    sampled: int
    unreadable_consent: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Drawn:
    """One prefix source, drawn: the connection holds its `turns`, each with its rule."""

    source: PrefixSource
    connection: duckdb.DuckDBPyConnection
    counts: dict[str, int]
    users: dict[str, int]
    unreadable_consent: dict[str, int]


def sample_week(study: StudyConfig, lake: Lake, week: dt.date) -> WeekSample:
    """Draw the week's sample of eligible user turns, without replacement, and that of every further prefix source.

    Raises:
        TrafficError: a file cannot be read, or the strata's minimums need more turns than there may be.
        EmptyWeekError: the week, or a further prefix source, has no eligible turn.
    """
    drawn = [_draw(study, lake, week, source) for source in prefix_sources(study)]
    steps = [
        (part.source.name, rule, part.counts.get(rule, 0), part.users.get(rule, 0))
        for part in drawn
        for rule in rule_order(study, part.source)
        if part.counts.get(rule) or rule in SHOWN_RULES
    ]
    columns = {"week": str(week), "sandbox": study.sandbox}
    funnel = pa.Table.from_pylist(
        [
            {
                **columns,
                "position": place,
                "prefix_source": source,
                "rule": rule,
                "turns": turns,
                "users": users,
            }
            for place, (source, rule, turns, users) in enumerate(steps)
        ],
        schema=SAMPLING_FUNNEL.schema,
    )
    for part in drawn:
        if not part.counts.get("sampled"):
            raise EmptyWeekError(_nothing_eligible(study, week, part))
    counts = drawn[0].counts
    unreadable: dict[str, int] = {}
    for part in drawn:
        for problem, rows in part.unreadable_consent.items():
            unreadable[problem] = unreadable.get(problem, 0) + rows
    return WeekSample(
        funnel,
        (batch for part in drawn for batch in _sampled_rows(study, lake, week, part)),
        sum(
            counts.get(rule, 0)
            for rule in ("other_turn_of_conversation", "user_cap", "not_sampled", "sampled")
        ),
        counts["sampled"],
        unreadable,
    )


def _nothing_eligible(study: StudyConfig, week: dt.date, part: _Drawn) -> str:
    steps = [(rule, part.counts[rule]) for rule in rule_order(study, part.source) if part.counts.get(rule)]
    seen = ", ".join(f"{rule}: {turns}" for rule, turns in steps) or "no user turn at all"
    if part.source.is_traffic:
        way_out = (
            "Add traffic for this week, correct the consent ledger, or take the week out of the study's weeks"
        )
        where, section = f"week {week}", "traffic"
    else:
        where, section = f"traffic.{part.source.name}", f"traffic.{part.source.name}"
        way_out = "Correct its files or its consent, or take it out of the study"
    if any(rule.startswith("unknown_") and rule != "unknown_deployment" for rule, _ in steps):
        way_out += f"; what the log does not say can be said in {section}.defaults"
    return f"{where}: no eligible user turn ({seen}). {way_out}"


def _draw(study: StudyConfig, lake: Lake, week: dt.date, source: PrefixSource) -> _Drawn:
    connection = connect()
    define_turns(connection, study, lake, source.name)
    _turns_of_the_week(connection, study, week, source)
    find_repeated_records(connection)
    unreadable = _classify(connection, study, lake, source)
    duplicates = study.sampling.duplicates
    if duplicates.repeated_prompts:
        exclude_repeated_prompts(connection)
    exclude_near_duplicates(connection, duplicates)
    # Another week draws other prompts of a baseline; a turn of traffic is of one week anyway.
    seed = str(study.seed) if source.is_traffic else f"{study.seed}:{source.name}:{week}"
    strata = study.sampling.strata if source.is_traffic else None
    draw_turns(connection, study.sampling, seed, source.turns, strata)
    steps = connection.execute(
        "select rule, count(*), count(distinct account) from turns group by rule"
    ).fetchall()
    counts, users = ({row[0]: row[place] for row in steps} for place in (1, 2))
    return _Drawn(source, connection, counts, users, unreadable)


def _turns_of_the_week(
    connection: duckdb.DuckDBPyConnection, study: StudyConfig, week: dt.date, source: PrefixSource
) -> None:
    """Create `week_turns`: the turns that were sent in the week, or all of a further source, in a keyed order."""
    start = dt.datetime.combine(week, dt.time(), dt.UTC)
    within = "sent_at >= $start and sent_at < $end" if source.is_traffic else "true"
    connection.execute(
        f"""
        create temp table week_turns as
        select row_number() over (
                   order by sha256($seed || ':order:' || conversation_id || '#' || turn_index),
                            conversation_id, turn_index, file, record
               ) as number,
               file, record, turn_index, place, next_place, conversation_id, user_id,
               coalesce(user_id, conversation_id) as account, model, language, surface, account_class, temporary,
               has_attachment, has_image, malformed, sent_at, wordless, answered, prompt_digest, sketch is null as short,
               turn_index = max(turn_index) over (partition by file, record) as last_turn
        from user_turns where {within}
        """,
        {"seed": str(study.seed)} | ({"start": start, "end": start + WEEK} if source.is_traffic else {}),
    )


def _classify(
    connection: duckdb.DuckDBPyConnection, study: StudyConfig, lake: Lake, source: PrefixSource
) -> dict[str, int]:
    """Create `turns`: the turns of the week, each with the first rule that excludes it or 'eligible'. Returns what was
    wrong with the consent ledger."""
    connection.register("erased_users", _erased(connection, study, lake))
    connection.execute("""
        create temp table known_turns as
        select week_turns.*, repetition, erased_users.user_id is not null as erased
        from week_turns left join repeated_records using (file, record)
        left join erased_users on week_turns.user_id = erased_users.user_id
    """)
    connection.unregister("erased_users")
    moment, unreadable = as_of(study), {}
    if source.consent.public_corpus is None:
        define_consent(connection, study, source.consent)
        unreadable = unreadable_decisions(connection)
        _find_unconsented_turns(connection, source, moment)
        join_consent(connection, "known_turns", source.consent, moment)
        known = "(from consented_turns left join unconsented_turns using (file, record))"
    else:
        known = f"(select *, 'public_corpus' as policy_version, timestamptz {literal(moment.isoformat())} as decided_at from known_turns)"
    rules = " ".join(
        f"when {condition} then {literal(rule)}" for rule, condition in turn_rules(study, source)
    )
    named = {"latest": latest_moment(study)}
    if source.consent.public_corpus is None:
        named["as_of"] = moment
    connection.execute(
        f"""
        create temp table turns as
        select number, file, record, turn_index, place, next_place, conversation_id, user_id, account, model, language,
               surface, account_class, temporary, has_attachment, has_image, sent_at, prompt_digest, short,
               policy_version, decided_at, 1.0::double as inclusion_probability,
               case {rules} else 'eligible' end as rule
        from {known}
        """,
        named,
    )
    for table in ("week_turns", "known_turns"):
        connection.execute(f"drop table {table}")
    return unreadable


def _find_unconsented_turns(
    connection: duckdb.DuckDBPyConnection, source: PrefixSource, moment: dt.datetime
) -> None:
    """Create the table `unconsented_turns` (file, record, unconsented_turn): the first turn without consent of the
    records of the week, in which earlier turns may be of weeks before. A turn after it has its words in the prefix."""
    connection.execute("""
        create or replace temp table record_turns as
        select file, record, turn_index, user_id, sent_at
        from user_turns semi join (from known_turns where turn_index > 0) using (file, record)
    """)
    join_consent(connection, "record_turns", source.consent, moment)
    without = " or ".join(f"coalesce({condition}, false)" for _, condition in CONSENT_RULES)
    connection.execute(
        f"""
        create or replace temp table unconsented_turns as
        select file, record, min(turn_index) as unconsented_turn from consented_turns where {without}
        group by file, record
        """,
        {"as_of": moment},
    )
    connection.execute("drop table record_turns")


def _erased(connection: duckdb.DuckDBPyConnection, study: StudyConfig, lake: Lake) -> pa.Table:
    """Pseudonyms of users of the week who asked to be forgotten."""
    erased = erased_users(lake, study)
    found: list[str] = []
    if erased:
        users = connection.execute(
            "select distinct user_id from week_turns where user_id is not null"
        ).fetchall()
        found = sorted(user for (user,) in users if user in erased)
    return pa.table({"user_id": pa.array(found, pa.string())})


def _sampled_rows(study: StudyConfig, lake: Lake, week: dt.date, part: _Drawn) -> Iterator[pa.RecordBatch]:
    """The sampled turns with their texts, as the second pass over the logs brings them."""
    connection, source = part.connection, part.source
    chosen = connection.sql(
        "select file, record, turn_index, place, next_place from turns where rule = 'sampled' "
        "order by file, record, turn_index"
    ).to_arrow_table()
    monday = dt.datetime.combine(week, dt.time(), dt.UTC)
    constant = {
        "week": str(week),
        "prefix_source": source.name,
        "consent_granted": True,
        "sandbox": study.sandbox,
    }
    rows = 0
    for texts in read_turns(study, lake, chosen, source.name):
        connection.register("texts", pa.Table.from_batches([texts]))
        known = connection.sql("""
            select conversation_id, account as user_id, model as deployment, language, sent_at, turn_index,
                   inclusion_probability, account_class, surface, temporary, has_attachment, has_image,
                   policy_version as consent_policy_version, decided_at as consent_decided_at,
                   texts.attributes, texts.prefix, texts.target, texts.tools
            from turns join texts using (file, record, turn_index)
            where rule = 'sampled'
            order by file, record, turn_index
        """).to_arrow_table()
        connection.unregister("texts")
        batch = []
        for row in known.to_pylist():
            named = f"{row['conversation_id']}#{row['turn_index']}"
            if not source.is_traffic:
                # A baseline has no time and no deployment of its own; it is replayed with the week that it serves.
                named = f"{source.name}:{week}:{named}"
                row |= {"deployment": source.name, "sent_at": monday, "target": "[]"}
            batch.append(row | constant | {"turn_id": pseudonym(study.hmac_key, "turn", named)})
        rows += len(batch)
        yield pa.RecordBatch.from_pylist(batch, schema=SAMPLED_TRAFFIC.schema)
    if rows != chosen.num_rows:
        raise TrafficError(
            f"{study.file}: {chosen.num_rows - rows} sampled turn(s) are no longer in the logs, which were changed while "
            "they were read; run again"
        )
