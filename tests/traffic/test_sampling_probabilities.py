"""The recorded inclusion probabilities are right: weighted estimates are unbiased over seeds under every option.

The population is made to punish errors: the behaviour sits in long conversations, heavy users and small languages, so
an estimate without weights, or with weights of a wrong step, is far off.
"""

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depsim_dagster.config_sections import SamplingConfig, StrataConfig
from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.draw import allocation, draw_turns

SEEDS = 250
BY_LANGUAGE = StrataConfig(by=("language",), minimum=4)
OPTIONS = {
    "uniform": {},
    "one turn per conversation": {"one_turn_per_conversation": True},
    "cap per user": {"turns_per_user": 3},
    "strata": {"strata": BY_LANGUAGE},
    "one turn and cap": {"one_turn_per_conversation": True, "turns_per_user": 2},
    "everything": {"one_turn_per_conversation": True, "turns_per_user": 2, "strata": BY_LANGUAGE},
}


def population() -> list[tuple]:
    """(number, conversation_id, turn_index, account, language, y): 7 users, 24 conversations."""
    rows = []
    conversations = {
        "heavy": [12, 9, 1, 1],
        "b": [6, 6, 2],
        "c": [1] * 5,
        "d": [2, 1, 1],
        "e": [8, 1],
        "f": [10],
        "g": [1] * 6,
    }
    for user, lengths in conversations.items():
        for place, length in enumerate(lengths):
            language = (
                "sw"
                if user == "e" or (user == "b" and place == 2)
                else "de"
                if user == "c"
                else None
                if user == "g"
                else "en"
            )
            for turn in range(length):
                y = (length > 5) + (turn > 7) + (user == "heavy") + 2 * (language == "sw")
                rows.append((len(rows), f"{user}-{place}", turn, user, language, float(y)))
    return rows


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = connect()
    connection.execute(
        "create table population (number bigint, conversation_id varchar, turn_index integer, account varchar, "
        "language varchar, y double, rule varchar default 'eligible', inclusion_probability double default 1.0)"
    )
    connection.executemany(
        "insert into population (number, conversation_id, turn_index, account, language, y) values (?, ?, ?, ?, ?, ?)",
        population(),
    )
    return connection


def draw(connection, seed, total, strata=None, **options) -> tuple[np.ndarray, np.ndarray]:
    """y and inclusion probability of the sampled turns."""
    connection.execute("create or replace temp table turns as from population")
    draw_turns(connection, SamplingConfig(**options), str(seed), total, strata)
    drawn = connection.execute(
        "select y, inclusion_probability from turns where rule = 'sampled'"
    ).fetchnumpy()
    return drawn["y"], drawn["inclusion_probability"]


def off_by(values: list[float], truth: float) -> float:
    """Distance of the mean from the truth, in standard errors of the mean."""
    spread = np.std(values, ddof=1) / np.sqrt(len(values))
    return abs(np.mean(values) - truth) / max(spread, 1e-9)


@pytest.mark.parametrize("option", OPTIONS)
def test_weighted_estimates_are_unbiased_and_naive_ones_are_not(connection, option):
    y = np.array([row[-1] for row in population()])
    totals, counts, rates, naive = [], [], [], []
    for seed in range(SEEDS):
        drawn, probability = draw(connection, seed, 20, **OPTIONS[option])
        assert ((probability > 0) & (probability <= 1)).all()
        totals.append((drawn / probability).sum())
        counts.append((1 / probability).sum())
        rates.append(totals[-1] / counts[-1])
        naive.append(drawn.mean())
    assert off_by(totals, y.sum()) < 3.5, "Horvitz-Thompson total"
    assert off_by(counts, len(y)) < 3.5, "estimated number of eligible turns"
    # A ratio estimator is biased of order 1/n, which more seeds would show: within 5 % of the rate.
    assert abs(np.mean(rates) / y.mean() - 1) < 0.05, "Hájek rate"
    if option != "uniform":
        assert off_by(naive, y.mean()) > 6 and abs(np.mean(naive) / y.mean() - 1) > 0.1


def test_one_order_for_every_step_would_be_found_out(connection):
    """With one hash for conversation and week the shortest conversations are drawn less than their probability says.

    Guards the test above: it has the power to see that mistake."""
    y, totals = np.array([row[-1] for row in population()]), []
    for seed in range(SEEDS):
        rows = connection.execute(
            """
            select y, 1.0 / members * 20 / 24 as probability from (
                select *, count(*) over (partition by conversation_id) as members,
                       row_number() over (partition by conversation_id
                                          order by sha256($seed || ':' || conversation_id || '#' || turn_index)) as place
                from population)
            where place = 1 order by sha256($seed || ':' || conversation_id || '#' || turn_index) limit 20
            """,
            {"seed": str(seed)},
        ).fetchnumpy()
        totals.append((rows["y"] / rows["probability"]).sum())
    assert off_by(totals, y.sum()) > 6


def test_probabilities_are_the_stated_products(connection):
    drawn = connection
    draw(drawn, 1, 10_000, one_turn_per_conversation=True, turns_per_user=2)
    found = drawn.execute(
        "select account, conversation_id, inclusion_probability from turns where rule = 'sampled'"
    ).fetchall()
    lengths: dict[str, int] = {}
    conversations: dict[str, set[str]] = {}
    for _, conversation, _, account, _, _ in population():
        lengths[conversation] = lengths.get(conversation, 0) + 1
        conversations.setdefault(account, set()).add(conversation)
    for account, conversation, probability in found:
        assert probability == pytest.approx(
            1 / lengths[conversation] * min(1, 2 / len(conversations[account]))
        )
    assert len(found) == sum(min(2, len(each)) for each in conversations.values())


def test_unstratified_small_strata_vanish_and_stratified_ones_do_not(connection):
    draw(connection, 3, 20, BY_LANGUAGE)
    by = "select coalesce(language, 'none'), count(*) from turns where rule = 'sampled' group by 1"
    stratified = dict(connection.execute(by).fetchall())
    assert stratified["de"] == stratified["none"] == 4, "the minimum, though their share is one"
    assert sum(stratified.values()) == 20


# ----------------------------------------------------------------------------------------------------------- allocation
SIZES = st.dictionaries(st.text(max_size=3), st.integers(1, 500), min_size=1, max_size=8)


@given(SIZES, st.one_of(st.none(), st.integers(1, 2_000)), st.integers(0, 50))
def test_an_allocation_has_the_asked_total_and_respects_sizes_and_minimums(sizes, total, minimum):
    everything = sum(sizes.values())
    asked = everything if total is None else min(total, everything)
    if sum(min(minimum, size) for size in sizes.values()) > asked:
        with pytest.raises(TrafficError, match=r"sampling\.strata\.minimum"):
            allocation(sizes, total, minimum)
        return
    shares = allocation(sizes, total, minimum)
    assert sum(shares.values()) == asked
    assert all(min(minimum, sizes[name]) <= share <= sizes[name] for name, share in shares.items())
    assert shares == allocation(dict(reversed(sizes.items())), total, minimum)
    proportional = [name for name, size in sizes.items() if shares[name] > min(minimum, size)]
    for one in proportional:
        for other in proportional:
            # Shares above the minimum are in proportion, to within the turn that rounding may add to either.
            assert abs(shares[one] * sizes[other] - shares[other] * sizes[one]) <= sizes[one] + sizes[other]


def test_proportional_shares_by_largest_remainder():
    assert allocation({"a": 70, "b": 20, "c": 10}, 10, 1) == {"a": 7, "b": 2, "c": 1}
    assert allocation({"a": 1, "b": 1, "c": 1}, 2, 0) == {"a": 1, "b": 1, "c": 0}
    assert allocation({"big": 1_000_000, "small": 3}, 1_000, 100) == {"big": 997, "small": 3}
    assert allocation({}, 5, 1) == {}


def test_minimums_that_do_not_fit_are_one_error_with_both_keys():
    with pytest.raises(TrafficError, match=r"need 9 turns, and sampling\.turns_per_week is 5") as caught:
        allocation({"secret-name": 4, "b": 9}, 5, 5)
    assert "secret-name" not in str(caught.value)
