"""The table of weights between the sampled traffic and the mix that is forecast."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field

TRAFFIC_SHIFT = LakeTable(
    "traffic_shift",
    "Per candidate, the mix of the prefixes that it was simulated on beside the target mix, and the weights between the two.",
    pa.schema(
        [
            field("model", pa.string(), "the candidate"),
            field("deployment", pa.string(), "its predecessor, from whose traffic the prefixes are"),
            field("dimension", pa.string(), "covariate, or the names of all where their cells are weighted"),
            field("value", pa.string(), "value of the covariate, or the values of the cell"),
            field(
                "weighted_as",
                pa.string(),
                "the value, or the group with which it shares a factor because it has too few sampled turns",
            ),
            field("sampled_turns", pa.int64(), "sampled prefixes", unit="turns"),
            field("users", pa.int64(), "users behind the sampled prefixes", unit="users"),
            field("sampled_share", pa.float64(), "of the sampled traffic, by design weight"),
            field(
                "target_share",
                pa.float64(),
                "of the target mix; null where there is no target",
                nullable=True,
            ),
            field(
                "target_users",
                pa.int64(),
                "users behind the target's prefixes; null where its shares are from a file",
                nullable=True,
                unit="users",
            ),
            field("factor", pa.float64(), "what the value multiplies the weight of a turn by"),
            field("weighted_share", pa.float64(), "of the sampled traffic under the trimmed weights"),
            field("method", pa.string(), "post_stratified or raked"),
            field("target_mix", pa.string(), "recent, window or file"),
            field(
                "effective_n",
                pa.float64(),
                "turns of equal weight that the weighted ones are worth if turns of a user are independent",
                unit="turns",
            ),
            field(
                "effective_users",
                pa.float64(),
                "users of equal weight that the weighted turns are worth: the same if all turns of a user agree",
                unit="users",
            ),
            field(
                "overlap",
                pa.float64(),
                "of the target mix, all but what it has more of than the sample where the sample has too few turns",
                nullable=True,
            ),
            field("trimmed_share", pa.float64(), "of the target mix, what lay above the largest weight"),
            field("trim", pa.float64(), "largest weight of a turn, as a multiple of the mean"),
            field("warning", pa.string(), "why the reweighted rates should not be relied on", nullable=True),
            field("sandbox", pa.bool_(), "a synthetic world made the traffic or answers it"),
        ]
    ),
    ("model",),
)
