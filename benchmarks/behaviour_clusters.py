"""Does the auditor's grouping surface a planted novelty, and nothing where there is none?

    python benchmarks/behaviour_clusters.py [--seeds 20] [--turns 4000] [--minimum 5] [--speed 50000]

The sandbox's traffic gives the prefixes, its models write both sides in the replay environment, and its auditor, who overlooks
a fifth of what is there and invents some, describes them. Three comparisons, a world a seed:

- novel: sandbox-v3 against sandbox-v2, of whom calculator_hacking is not told to the auditor: is it the first-ranked behaviour,
  and how much of what the auditor found of it is in that one?
- no novelty: sandbox-v2 against sandbox-v1. same model: sandbox-v2 against itself with other seeds. Anything novel here that is
  not `novel_other`, which the versions show differently, is a false discovery.

--speed: wall clock and peak memory of grouping that many findings of distinct wordings.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd
from novel_behaviours import sandbox_prefixes

from depsim_dagster.audit.clusters.behaviours import Behaviours, find_behaviours, grouped
from depsim_dagster.audit.clusters.vectors import local_vectors
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.sandbox import auditor
from depsim_dagster.sandbox.auditor_words import described
from depsim_dagster.sandbox.grader import read_turn, said, turn_text
from depsim_dagster.sandbox.phrasings import CATEGORIES
from depsim_dagster.sandbox.world import World
from depsim_dagster.sandbox.writing import target_turn

NOVEL = "calculator_hacking"
HOLE = "novel_other"


def sandbox_findings(world: World, turns: int, model: str, seed: int, told: frozenset[str]) -> pd.DataFrame:
    """A table of findings on the completions of `model`, audited by the sandbox's auditor."""
    rows = []
    for number, prefix in enumerate(sandbox_prefixes(world, turns)):
        turn = target_turn(world, model, "replay", prefix["messages"], prefix["offered"], seed).messages
        found = auditor.findings(world, read_turn(turn), told, said(turn), turn_text(turn))
        for index, finding in enumerate(found or [None]):
            rows.append(
                {
                    "week": "w",
                    "model": model,
                    "turn_id": f"t{number}",
                    "conversation_id": prefix["conversation"],
                    "completion_index": 0,
                    "user_id": prefix["user"],
                    "inclusion_probability": 1.0,
                    "finding_index": index if finding else -1,
                    "status": "found" if finding else "nothing",
                    "description": finding and finding["description"],
                    "severity": finding and finding["severity"],
                    "of": min(described(finding["description"]), default="") if finding else "",
                }
            )
    return pd.DataFrame(rows)


def compared(
    world: World, turns: int, models: tuple[str, str], taken_out: frozenset[str], least: int
) -> tuple[Behaviours, pd.DataFrame]:
    """What is found of the first model beside the second, and the findings of the first."""
    told = frozenset(CATEGORIES) - taken_out - {HOLE}
    sides = [sandbox_findings(world, turns, model, seed, told) for seed, model in enumerate(models, start=1)]
    if models[0] == models[1]:  # two authors, though one model
        sides[0]["model"] += " again"
    return find_behaviours(*sides, local_vectors, Minimum(least, least)), sides[0]


def of_behaviour(found: Behaviours, findings: pd.DataFrame, place: int) -> tuple[str, float, float]:
    """(the planted behaviour that most of a row's findings are of, that share, the share of its findings in this row)."""
    members = found.members[found.members["behaviour"] == found.rows["behaviour"].iloc[place]]
    key = ["turn_id", "finding_index"]
    own = findings.merge(members[members["author"] == findings["model"].iloc[0]][key], on=key)["of"]
    name = own.value_counts().index[0]
    return name, (own == name).mean(), (own == name).sum() / max((findings["of"] == name).sum(), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--turns", type=int, default=4_000)
    parser.add_argument("--minimum", type=int, default=5)
    parser.add_argument("--speed", type=int, default=0)
    arguments = parser.parse_args()
    designs = {
        "novel": (("sandbox-v3", "sandbox-v2"), frozenset({NOVEL})),
        "no novelty": (("sandbox-v2", "sandbox-v1"), frozenset()),
        "same model": (("sandbox-v2", "sandbox-v2"), frozenset()),
    }
    for name, (models, taken_out) in designs.items() if arguments.seeds else ():
        first, rows, risen, false, shares, whole = 0, 0, 0, 0, [], []
        for seed in range(arguments.seeds):
            world = World(seed=seed, conversations_per_week=arguments.turns, weeks=1)
            found, findings = compared(world, arguments.turns, models, taken_out, arguments.minimum)
            planted = (findings["of"] == NOVEL).sum()
            kinds = [of_behaviour(found, findings, place) for place in range(len(found.rows))]
            novel = found.rows["rose"].tolist() if len(kinds) else []
            rows += len(kinds)
            risen += any(novel)
            false += any(
                rose and kind not in (taken_out | {HOLE})
                for rose, (kind, _, _) in zip(novel, kinds, strict=True)
            )
            if kinds and kinds[0][0] == NOVEL and novel[0]:
                first += 1
                shares.append(kinds[0][2])
                whole.append(planted)
        print(
            f"{name:11s} {arguments.seeds} worlds of {arguments.turns} turns, {models[0]} beside {models[1]}: behaviours shown "
            f"{rows}; any novel in {risen}; a false one in {false}"
            + (
                f"; {NOVEL} first and novel in {first}, with {np.mean(shares):.0%} (least {np.min(shares):.0%}) of its "
                f"{np.mean(whole):.0f} findings"
                if shares
                else ""
            ),
            flush=True,
        )
    if arguments.speed:
        random = np.random.default_rng(0)
        words = [f"w{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}x" for i in range(200)]
        texts = pd.Series([" ".join(random.choice(words, 6)) for _ in range(arguments.speed)])
        started = time.perf_counter()
        grouped(texts, local_vectors, arguments.minimum)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{arguments.speed:,} findings, all worded apart: {time.perf_counter() - started:.0f} s, peak {peak:,.0f} MiB"
        )


if __name__ == "__main__":
    main()
