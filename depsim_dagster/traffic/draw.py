"""The draw among eligible turns: thinned by conversation and user, then by stratum, each with its probability.

Every step orders by a hash of its own. One order for all of them would favour the turns that already came first in a
long conversation, and the recorded probabilities would be wrong.
"""

from __future__ import annotations

import duckdb

from depsim_dagster.config_sections import SamplingConfig, StrataConfig
from depsim_dagster.errors import TrafficError


def draw_turns(
    connection: duckdb.DuckDBPyConnection,
    sampling: SamplingConfig,
    seed: str,
    total: int | None,
    strata: StrataConfig | None,
) -> None:
    """Draw up to `total` (None: all) of the rows of `turns` whose rule is 'eligible'; they become 'sampled'.

    `turns` has number, conversation_id, turn_index, account, rule, inclusion_probability (1.0) and the columns of
    `strata.by`. The others become 'other_turn_of_conversation', 'user_cap' or 'not_sampled'.

    Estimand: with every option the sum of y / inclusion_probability over the sample estimates without bias the total of
    y over all eligible user turns, and the ratio of two such sums (Hájek) the rate over them; the options change the
    variance and not what is estimated. The probability is the product 1/m (one of the m eligible turns of the
    conversation) · min(1, c/m) (cap c on the m turns of the user that are left) · n_h/N_h (of the N_h that are left in
    the stratum). The last factor is conditional on the steps before it, as in two-phase sampling (Särndal, Swensson &
    Wretman 1992, section 9.3); the product is the exact inclusion probability when N_h does not hang on them.

    Raises:
        TrafficError: the strata's minimums need more turns than `total`.
    """
    if sampling.one_turn_per_conversation:
        _keep_at_most(connection, 1, "conversation_id", "other_turn_of_conversation", f"{seed}:conversation")
    if sampling.turns_per_user is not None:
        _keep_at_most(connection, sampling.turns_per_user, "account", "user_cap", f"{seed}:user")
    by = strata.by if strata is not None else ()
    stratum = "json_array({})::varchar".format(", ".join(by))
    sizes = dict(
        connection.execute(
            f"select {stratum} as stratum, count(*) from turns where rule = 'eligible' group by stratum"
        ).fetchall()
    )
    shares = allocation(sizes, total, strata.minimum if strata is not None else 0)
    connection.execute("create or replace temp table shares (stratum varchar, size bigint, share bigint)")
    if shares:
        connection.executemany(
            "insert into shares values (?, ?, ?)",
            [(name, sizes[name], share) for name, share in shares.items()],
        )
    connection.execute(
        f"""
        update turns set rule = case when nth <= share then 'sampled' else 'not_sampled' end,
                         inclusion_probability = inclusion_probability * share / size
        from (
            select number as drawn, stratum, {_nth("stratum")} as nth
            from (select *, {stratum} as stratum from turns where rule = 'eligible')
        ) join shares using (stratum)
        where number = drawn
        """,
        {"seed": f"{seed}:week"},
    )


def allocation(sizes: dict[str, int], total: int | None, minimum: int) -> dict[str, int]:
    """Turns to draw from each stratum of these sizes: in proportion, but at least `minimum` (or all it has), together
    `total` (or all there are). Largest remainder; what is left after the minimums is shared among the others.

    Raises:
        TrafficError: the minimums together exceed `total`.
    """
    everything = sum(sizes.values())
    left = everything if total is None else min(total, everything)
    least = {name: min(minimum, size) for name, size in sizes.items()}
    if sum(least.values()) > left:
        raise TrafficError(
            f"sampling.strata.minimum: {len(sizes)} strata with at least {minimum} turns each (or all they have) need "
            f"{sum(least.values()):,} turns, and sampling.turns_per_week is {left:,}; raise that, lower the minimum, or "
            "stratify by less"
        )
    shared, shares = dict(sorted(sizes.items())), {}
    while True:
        pool = sum(shared.values())
        below = [name for name, size in shared.items() if left * size < least[name] * pool]
        if not below:
            break
        for name in below:
            shares[name] = least[name]
            left -= least[name]
            del shared[name]
    for name, size in shared.items():
        shares[name] = left * size // pool
    # Strata with the largest remainder get one more; ties go by name.
    rest = left - sum(shares[name] for name in shared)
    for name in sorted(shared, key=lambda name: -(left * shared[name] % pool))[:rest]:
        shares[name] += 1
    return shares


def _keep_at_most(
    connection: duckdb.DuckDBPyConnection, limit: int, group: str, rule: str, seed: str
) -> None:
    connection.execute(
        f"""
        update turns set rule = case when nth <= $limit then rule else '{rule}' end,
                         inclusion_probability = inclusion_probability * least(1.0, $limit / members)
        from (
            select number as drawn, {_nth(group)} as nth, count(*) over (partition by {group}) as members
            from turns where rule = 'eligible'
        ) where number = drawn
        """,
        {"limit": limit, "seed": seed},
    )


def _nth(group: str) -> str:
    return (
        f"row_number() over (partition by {group} order by sha256($seed || ':' || conversation_id || '#' || turn_index), "
        "conversation_id, turn_index)"
    )
