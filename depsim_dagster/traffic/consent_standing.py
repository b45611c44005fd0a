"""What the ledger says about a user at a moment: consent when the turn was sent, with hindsight, and now.

The policy, of which privacy/gates/consent.py is the second and independent reading:

- The newest decision that had taken effect counts. Newest ones that differ in the decision or the policy version are a
  conflict, and so is any row of the user that cannot be read: the user is left out.
- A grant counts from when it was in effect *and* recorded, so one that was recorded after the message does not cover it,
  unless `consent.retroactive_grants` says why. One that is recorded after `traffic.as_of` counts for nothing.
- A refusal counts from when it takes effect, whenever it was recorded, and for `now` at once: who has refused from next
  month on, or after the `as_of` of an old study, is not sampled today.
"""

from __future__ import annotations

import datetime as dt

import duckdb

from depsim_dagster.config_sections import ConsentConfig

# (rule, SQL condition under which it excludes a turn) over the columns of `consented_turns`, in the order of asking.
CONSENT_RULES = (
    ("consent_unknown", "not consent_doubtful and (sent_at is null or known_granted is null)"),
    ("consent_ambiguous", "consent_doubtful or known_conflicting or then_conflicting or now_conflicting"),
    ("consent_not_held", "not known_granted or known_until <= sent_at"),
    ("consent_withdrawn", "now_granted is null or not now_granted or now_until <= $as_of"),
    ("consent_recorded_later", "then_granted is null or not then_granted or then_until <= sent_at"),
)

# What stands from each moment at which something begins to count: the newest decision among those that count by then.
_STANDING = """
    create or replace temp table {name} as
    with counted as (select *, {since} as since from decisions),
    moments as (
        select distinct user_id, since as moment, max(effective_from) over (
            partition by user_id order by since range between unbounded preceding and current row
        ) as newest
        from counted
    )
    select moments.user_id, moment, bool_and(granted) as granted,
           count(distinct granted) > 1 or count(distinct policy_version) > 1 as conflicting,
           min(policy_version) as policy_version, min(effective_until) as until, min(since) as since
    from moments join counted
      on counted.user_id = moments.user_id and effective_from = newest and since <= moment
    group by moments.user_id, moment
"""


def join_consent(
    connection: duckdb.DuckDBPyConnection, turns: str, consent: ConsentConfig, as_of: dt.datetime
) -> None:
    """Create the table `consented_turns`: the rows of the table `turns` (it has user_id and sent_at) with what the table
    `consent` says of their users, for CONSENT_RULES; `policy_version` and `decided_at` of the decision they rest on.
    """
    connection.execute(
        f"""
        create or replace temp table decisions as
        -- A decision that is written down again and again (a daily export) counts from its first time.
        select user_id, granted, policy_version, effective_from, effective_until, min(recorded_at) as recorded_at
        from consent
        where problem is null and scope = $scope and (not granted or recorded_at <= $as_of)
          and user_id in (select user_id from {turns})
        group by user_id, granted, policy_version, effective_from, effective_until
        """,
        {"scope": consent.scope, "as_of": as_of},
    )
    connection.execute(
        """
        create or replace temp table doubtful as
        select distinct user_id from consent
        where problem is not null and user_id is not null and (scope is null or scope = $scope)
        """,
        {"scope": consent.scope},
    )
    connection.execute(_STANDING.format(name="with_hindsight", since="effective_from"))
    as_recorded = "case when granted then greatest(effective_from, recorded_at) else effective_from end"
    since = "effective_from" if consent.retroactive_grants else as_recorded
    connection.execute(_STANDING.format(name="as_then_recorded", since=since))
    connection.execute(
        f"""
        create or replace temp table consented_turns as
        with newest as (
            select user_id, bool_and(granted) as granted, min(effective_until) as until,
                   count(distinct granted) > 1 or count(distinct policy_version) > 1 as conflicting
            from decisions where not granted or effective_from <= $as_of
            group by user_id, effective_from
            qualify row_number() over (partition by user_id order by effective_from desc) = 1
        )
        select turns.*, doubtful.user_id is not null as consent_doubtful,
               known.granted as known_granted, known.conflicting as known_conflicting, known.until as known_until,
               held.granted as then_granted, held.conflicting as then_conflicting, held.until as then_until,
               newest.granted as now_granted, newest.conflicting as now_conflicting, newest.until as now_until,
               held.policy_version, held.since as decided_at
        from {turns} as turns
        asof left join with_hindsight as known on turns.user_id = known.user_id and turns.sent_at >= known.moment
        asof left join as_then_recorded as held on turns.user_id = held.user_id and turns.sent_at >= held.moment
        left join newest on turns.user_id = newest.user_id
        left join doubtful on turns.user_id = doubtful.user_id
        """,
        {"as_of": as_of},
    )
