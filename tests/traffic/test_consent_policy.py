"""What the ledger means: every case by hand, and the SQL of the sampling against the gate's own reading in Python."""

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_traffic import HOUR, MONDAY, NOON, STUDY, decision, study_of, write_consent

from depsim_dagster.duckdb_sql import connect, literal
from depsim_dagster.privacy.gates.consent import consent_holds
from depsim_dagster.traffic.consent_ledger import define_consent
from depsim_dagster.traffic.consent_standing import CONSENT_RULES, join_consent
from depsim_dagster.traffic.pseudonyms import pseudonym

AS_OF = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
REASON = "the form was signed on paper and typed in later"
REFUSED = "refused"


def rules_of(study, turns: list[tuple[str, dt.datetime]]) -> list[tuple[str, str | None]]:
    """(rule, policy version) of each turn (user, time), by the SQL of the sampling."""
    connection = connect()
    define_consent(connection, study, study.traffic.consent)
    connection.execute("create table asked (place integer, user_id varchar, sent_at timestamptz)")
    connection.executemany(
        "insert into asked values (?, ?, ?)",
        [(place, pseudonym(study.hmac_key, "user", user), sent) for place, (user, sent) in enumerate(turns)],
    )
    as_of = study.traffic.as_of
    join_consent(connection, "asked", study.traffic.consent, as_of)
    case = " ".join(f"when {condition} then {literal(rule)}" for rule, condition in CONSENT_RULES)
    return connection.execute(
        f"select case {case} else 'eligible' end, policy_version from consented_turns order by place",
        {"as_of": as_of},
    ).fetchall()


def gate_holds(study, turns) -> list[bool]:
    named = [(pseudonym(study.hmac_key, "user", user), sent) for user, sent in turns]
    return consent_holds(study, named, study.traffic.as_of)


def consent_study(directory, decisions, **consent):
    write_consent(directory, decisions)
    return study_of(
        directory, traffic=STUDY["traffic"] | {"consent": {"ledger": "consent.parquet", **consent}}
    )


def refusal(**more):
    return decision(granted=False, **more)


LATER = {"recorded_at": NOON + HOUR}  # written down after the message, which was sent at NOON
CASES = [
    # nobody knows
    ([], "consent_unknown"),
    ([decision("someone-else")], "consent_unknown"),
    ([decision(scope="advertising")], "consent_unknown"),
    ([decision(start=NOON + HOUR)], "consent_unknown"),
    ([decision(recorded_at=AS_OF + HOUR)], "consent_unknown"),
    # conflicts
    ([decision(), refusal()], "consent_ambiguous"),
    ([decision(), decision(policy_version="p2")], "consent_ambiguous"),
    ([decision(), decision(start=NOON + HOUR), refusal(start=NOON + HOUR)], "consent_ambiguous"),
    ([decision(), decision(effective_until=MONDAY - 25 * HOUR)], "consent_ambiguous"),  # ends before it begins
    # not held then
    ([refusal()], "consent_not_held"),
    ([decision(effective_until=NOON)], "consent_not_held"),
    ([decision(), refusal(start=NOON)], "consent_not_held"),
    ([decision(), refusal(start=NOON - HOUR, **LATER)], "consent_not_held"),
    ([refusal(), decision(start=NOON + HOUR)], "consent_not_held"),
    ([decision(), refusal(start=NOON - HOUR, effective_until=NOON - HOUR / 2)], "consent_not_held"),
    # not held now
    ([decision(), refusal(start=NOON + HOUR)], "consent_withdrawn"),
    ([decision(effective_until=NOON + HOUR)], "consent_withdrawn"),
    ([decision(effective_until=AS_OF)], "consent_withdrawn"),
    ([decision(), decision(start=NOON + HOUR, effective_until=NOON + 2 * HOUR)], "consent_withdrawn"),
    ([decision(), refusal(start=AS_OF + HOUR)], "consent_withdrawn"),
    ([decision(), refusal(start=AS_OF + HOUR, recorded_at=MONDAY)], "consent_withdrawn"),
    ([decision(), refusal(start=NOON + HOUR, recorded_at=AS_OF + HOUR)], "consent_withdrawn"),
    # a grant that was written down after the message
    ([decision(**LATER)], "consent_recorded_later"),
    ([refusal(start=MONDAY - 48 * HOUR), decision(**LATER)], "consent_recorded_later"),
    ([decision(effective_until=NOON - HOUR), decision(start=NOON - HOUR, **LATER)], "consent_recorded_later"),
    # held
    ([decision()], "eligible"),
    ([decision(start=NOON)], "eligible"),
    ([decision(recorded_at=NOON)], "eligible"),
    ([decision(), decision()], "eligible"),
    ([decision(effective_until=AS_OF + HOUR)], "eligible"),
    ([refusal(start=MONDAY - 48 * HOUR), decision()], "eligible"),
    ([decision(), decision(start=NOON - HOUR, **LATER)], "eligible"),
    ([decision(), refusal(start=NOON + HOUR), decision(start=NOON + 2 * HOUR)], "eligible"),
    ([decision(), refusal(scope="advertising", start=NOON - HOUR)], "eligible"),
    ([decision(), decision(start=AS_OF + HOUR)], "eligible"),
]  # fmt: skip


@pytest.mark.parametrize(("decisions", "rule"), CASES)
def test_each_case_by_hand(tmp_path, decisions, rule):
    study = consent_study(tmp_path, [*decisions, decision("other")])
    found, other = rules_of(study, [("u1", NOON), ("other", NOON)])
    assert (found[0], other[0]) == (rule, "eligible")
    assert gate_holds(study, [("u1", NOON), ("other", NOON)]) == [rule == "eligible", True]


def test_a_retroactive_grant_counts_where_the_study_says_why(tmp_path):
    decisions = [decision(**LATER), decision("later", start=NOON + HOUR), refusal(user_id="no", **LATER)]
    turns = [("u1", NOON), ("later", NOON), ("no", NOON)]
    strict = consent_study(tmp_path, decisions)
    assert [rule for rule, _ in rules_of(strict, turns)] == [
        "consent_recorded_later",
        "consent_unknown",
        "consent_not_held",
    ]
    lenient = consent_study(tmp_path, decisions, retroactive_grants=REASON)
    assert [rule for rule, _ in rules_of(lenient, turns)] == [
        "eligible",
        "consent_unknown",
        "consent_not_held",
    ]
    assert (gate_holds(strict, turns), gate_holds(lenient, turns)) == ([False] * 3, [True, False, False])


def test_the_policy_version_is_that_of_the_decision_which_held_then(tmp_path):
    decisions = [decision(policy_version="old"), decision(start=NOON, policy_version="new")]
    study = consent_study(tmp_path, decisions)
    assert rules_of(study, [("u1", NOON - HOUR), ("u1", NOON)]) == [("eligible", "old"), ("eligible", "new")]


def test_wall_clocks_of_ledger_and_log_are_moments(tmp_path):
    """The ledger is written in Tokyo and the log in New York, over the night in which Europe's clocks go forward."""
    tokyo, new_york = dt.timezone(9 * HOUR), dt.timezone(-5 * HOUR)
    granted = dt.datetime(2026, 1, 8, 2, 0, tzinfo=tokyo)  # 17:00 UTC on the 7th
    before = dt.datetime(
        2026, 1, 7, 11, 59, tzinfo=new_york
    )  # 16:59 UTC, though Tokyo's clock shows a later date
    after = dt.datetime(2026, 1, 7, 12, 0, tzinfo=new_york)  # 17:00 UTC
    study = consent_study(tmp_path, [decision(start=granted)])
    turns = [("u1", before), ("u1", after)]
    assert [rule for rule, _ in rules_of(study, turns)] == ["consent_unknown", "eligible"]
    assert gate_holds(study, turns) == [False, True]


def test_an_hour_that_the_clock_shows_twice_is_two_hours(tmp_path):
    """25 October 2026, 02:30 in Paris: once as +02:00, an hour later as +01:00."""
    from zoneinfo import ZoneInfo

    paris = ZoneInfo("Europe/Paris")
    first = dt.datetime(2026, 10, 25, 2, 30, tzinfo=paris, fold=0)
    second = dt.datetime(2026, 10, 25, 2, 30, tzinfo=paris, fold=1)
    write_consent(tmp_path, [decision(start=second.astimezone(dt.UTC))])
    study = study_of(tmp_path, traffic=STUDY["traffic"] | {"as_of": "2026-10-31T00:00:00Z"})
    turns = [("u1", first.astimezone(dt.UTC)), ("u1", second.astimezone(dt.UTC))]
    assert [rule for rule, _ in rules_of(study, turns)] == ["consent_unknown", "eligible"]


def test_a_message_without_a_time_has_no_consent(tmp_path):
    study = consent_study(tmp_path, [decision()])
    assert rules_of(study, [("u1", None)])[0][0] == "consent_unknown"


# ------------------------------------------------------------------------------------------------- the second opinion
HOURS = st.integers(-72, 72).map(lambda hours: NOON + hours * HOUR)
DECISIONS = st.lists(
    st.tuples(
        st.booleans(),
        HOURS,
        st.none() | st.integers(1, 60),
        st.integers(0, 90),
        st.sampled_from(["p1", "p1", "p2"]),
    ),
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(users=st.lists(DECISIONS, min_size=20, max_size=30), retroactive=st.booleans())
def test_sql_and_the_gate_agree_on_any_ledger(tmp_path_factory, users, retroactive):
    directory = tmp_path_factory.mktemp("ledger")
    rows = [
        decision(
            f"u{number}",
            granted,
            start,
            effective_until=None if hours is None else start + hours * HOUR,
            recorded_at=start + (delay - 20) * HOUR,
            policy_version=policy,
        )
        for number, decisions in enumerate(users)
        for granted, start, hours, delay, policy in decisions
    ]
    write_consent(directory, rows)
    consent = {"ledger": "consent.parquet"} | ({"retroactive_grants": REASON} if retroactive else {})
    # An `as_of` in the middle, so that some decisions lie behind it.
    study = study_of(
        directory, traffic=STUDY["traffic"] | {"consent": consent, "as_of": (NOON + 30 * HOUR).isoformat()}
    )
    turns = [(f"u{number}", NOON + hours * HOUR) for number in range(len(users)) for hours in (-24, 0, 24)]
    assert [rule == "eligible" for rule, _ in rules_of(study, turns)] == gate_holds(study, turns)


def test_a_ledger_of_a_thousand_decisions_of_one_user_is_no_burden(tmp_path):
    """One renewal an hour, each exported twice: rows that are compared all with all would be a million."""
    starts = [NOON + (place - 900) * HOUR for place in range(1000)]
    decisions = [
        decision(start=start, recorded_at=start + again * HOUR, policy_version=f"p{place}")
        for place, start in enumerate(starts)
        for again in (0, 1)
    ]
    study = consent_study(tmp_path, decisions)
    turns = [("u1", NOON + place * HOUR) for place in (-1000, -900, -1, 0)]
    expected = [
        ("consent_unknown", None),
        ("eligible", "p0"),
        ("eligible", "p899"),
        ("eligible", "p900"),
    ]
    assert rules_of(study, turns) == expected
    assert gate_holds(study, turns) == [False, True, True, True]


MISSPELT = {
    "user_id with a zero-width space": {"user_id": "u1\u200b"},
    "user_id with a NUL": {"user_id": "u1\0"},
    "user_id after a byte order mark": {"user_id": "\ufeffu1"},
    "scope in another case": {"scope": "Model_Improvement"},
    "scope with a space": {"scope": "model_improvement\u00a0"},
    "both": {"scope": "MODEL_IMPROVEMENT", "user_id": "u1 "},
}


@pytest.mark.parametrize("written", MISSPELT.values(), ids=MISSPELT)
def test_a_misspelt_refusal_takes_its_user_out(tmp_path, written):
    study = consent_study(tmp_path, [decision(), refusal(start=NOON - HOUR, **written)])
    assert rules_of(study, [("u1", NOON)])[0][0] == "consent_ambiguous"
    assert gate_holds(study, [("u1", NOON)]) == [False]


def json_ledger(directory, *lines: str):
    (directory / "c.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return study_of(directory, traffic=STUDY["traffic"] | {"consent": {"ledger": "c.jsonl"}})


def line(**fields) -> str:
    return json.dumps(decision(**fields), default=dt.datetime.isoformat)


def test_a_number_that_an_export_made_a_fraction_takes_its_user_out(tmp_path):
    study = json_ledger(
        tmp_path, line(user_id=7), line(user_id=7.0, granted=False, start=NOON - HOUR), line(user_id=8)
    )
    assert [rule for rule, _ in rules_of(study, [("7", NOON), ("8", NOON)])] == [
        "consent_ambiguous",
        "eligible",
    ]
    assert gate_holds(study, [("7", NOON), ("8", NOON)]) == [False, True]


def test_a_byte_order_mark_in_the_middle_of_a_ledger_hides_no_refusal(tmp_path):
    study = json_ledger(tmp_path, line(), "\ufeff" + line(granted=False, start=NOON - HOUR))
    assert rules_of(study, [("u1", NOON)])[0][0] == "consent_not_held"
    assert gate_holds(study, [("u1", NOON)]) == [False]
