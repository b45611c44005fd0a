"""Truth by enumeration: the expected rate of every category over the eligible user turns of each week.

Nothing is sampled and no text is judged: the planted probability of every eligible turn is averaged.
Product code never reads the result; it exists so that the product can be checked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.errors import TrafficError
from depsim_dagster.sandbox.behaviour import Features, probabilities, read_features, tool_names
from depsim_dagster.sandbox.phrasings import CATEGORIES
from depsim_dagster.sandbox.tables import write_table
from depsim_dagster.sandbox.world import World

TRUTH_SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("week", pa.string()),
        ("environment", pa.string()),
        ("category", pa.string()),
        ("rate_per_100k", pa.float64()),
        ("n_turns", pa.int64()),
    ]
)


class EligibleTurn(NamedTuple):
    """A user turn that may be used: where it is, and what a sandbox model reads of it."""

    conversation_id: str
    message_index: int
    user_id: str
    model: str
    features: Features


def consenting(consent: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    """user -> start of each grant that is still in force at the end (a closed grant was revoked)."""
    grants: dict[str, list[Any]] = {}
    for row in consent:
        if row["scope"] == "model_improvement" and row["granted"] and row["effective_until"] is None:
            grants.setdefault(row["user_id"], []).append(row["effective_from"])
    return grants


def eligible_turns(
    conversations: Iterable[dict[str, Any]], grants: dict[str, list[Any]]
) -> Iterator[EligibleTurn]:
    """Answered user turns of consenting consumers in chat, not temporary, without attachments."""
    for row in conversations:
        if (
            row["user_id"] not in grants
            or row["surface"] != "chat"
            or row["account_class"] != "consumer"
            or row["temporary"]
        ):
            continue
        messages = row["messages"]
        if any(message["attachments"] for message in messages):
            continue
        names = tool_names(json.loads(row["tools"])) if row["tools"] else ()
        for i, message in enumerate(messages[:-1]):
            if (
                message["role"] == "user"
                and messages[i + 1]["role"] == "assistant"
                and any(since <= message["created_at"] for since in grants[row["user_id"]])
            ):
                yield EligibleTurn(
                    row["conversation_id"], i, row["user_id"], row["model"], read_features([message], names)
                )


def enumerate_truth(world: World, directory: str | Path) -> pa.Table:
    """Expected rates over the traffic in `directory`: replay for every model, production for the deployed.

    Raises TrafficError when a week of the world has no file.
    """
    directory = Path(directory)
    try:
        grants = consenting(pq.read_table(directory / "consent.parquet").to_pylist())
    except FileNotFoundError:
        raise TrafficError(
            f"{directory / 'consent.parquet'} is missing; generate the traffic first"
        ) from None
    rows = []
    for week in range(world.weeks):
        path = directory / "traffic" / f"week={world.week(week)}.parquet"
        if not path.exists():
            raise TrafficError(f"{path} is missing; generate all {world.weeks} weeks first")
        counts = Counter(
            turn.features for turn in eligible_turns(pq.ParquetFile(path).read().to_pylist(), grants)
        )
        cases = [(model, "replay") for model in world.models] + [(world.deployed(week), "production")]
        for model, environment in cases:
            rates = _mean_rates(model, environment, counts, world.environment_gap)
            for category, rate in zip(CATEGORIES, rates, strict=True):
                rows.append(
                    {
                        "model": model,
                        "week": world.week(week),
                        "environment": environment,
                        "category": category,
                        "rate_per_100k": rate,
                        "n_turns": counts.total(),
                    }
                )
    return pa.Table.from_pylist(rows, schema=TRUTH_SCHEMA)


def _mean_rates(
    model: str, environment: str, counts: Counter[Features], environment_gap: float
) -> list[float | None]:
    total = counts.total()
    if not total:
        return [None] * len(CATEGORIES)
    sums = [0.0] * len(CATEGORIES)
    for features, count in counts.items():
        for i, p in enumerate(probabilities(model, environment, features, environment_gap)):
            sums[i] += p * count
    return [1e5 * value / total for value in sums]


def write_truth(world: World, directory: str | Path) -> Path:
    """Write `sandbox/truth.parquet` for the traffic in `directory`."""
    path = Path(directory) / "sandbox" / "truth.parquet"
    write_table(enumerate_truth(world, directory), path)
    return path
