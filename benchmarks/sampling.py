"""How long near duplicates, the rules and the draw take on the turns of one week, by their number.

    python benchmarks/sampling.py [TURNS ...]

Turns are synthetic: a log-normal number per user, 5 % exact copies, 5 % near copies (one word of 80 changed), and one
script that sends a tenth of the traffic from one template. Printed: seconds, what was found, and the growth of the time
from one size to the next beside that of the number of turns.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pyarrow as pa

from depsim_dagster.config_sections import DuplicatesConfig, SamplingConfig, StrataConfig
from depsim_dagster.duckdb_sql import connect
from depsim_dagster.traffic.draw import draw_turns
from depsim_dagster.traffic.duplicates import exclude_near_duplicates, exclude_repeated_prompts
from depsim_dagster.traffic.sketches import Sketcher

WORDS = 80
VOCABULARY = [f"word{place}" for place in range(5_000)]
CHUNK = 20_000


def turns(number: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """(rows of `turns`, rows of `user_turns` with the sketches)"""
    random = np.random.default_rng(seed)
    users = np.minimum(random.lognormal(6, 2, number).astype(int), number)
    users[random.random(number) < 0.1] = -1  # the script
    template = list(random.choice(VOCABULARY, WORDS))
    texts: list[list[str]] = []
    for place in range(number):
        kind = random.random()
        if users[place] == -1:
            text = list(template)
            for word in random.choice(WORDS, 2):
                text[word] = VOCABULARY[random.integers(len(VOCABULARY))]
        elif kind < 0.1 and place:
            source = random.integers(place)
            text, users[place] = list(texts[source]), users[source]
            if kind < 0.05:
                text[random.integers(WORDS)] = "changed"
        else:
            text = list(random.choice(VOCABULARY, WORDS))
        texts.append(text)
    sketcher, sketches = Sketcher(b"a benchmark's key, no secret"), []
    for start in range(0, number, CHUNK):
        sketches += sketcher.sketches([" ".join(text) for text in texts[start : start + CHUNK]])
    names = [f"{user:032x}" if user >= 0 else "script" for user in users]
    places = np.arange(number)
    common = {"file": ["f"] * number, "record": places, "turn_index": np.zeros(number, np.int32)}
    rows = pa.table(
        common
        | {
            "number": random.permutation(number),
            "conversation_id": [f"{place:032x}" for place in places],
            "account": names,
            "model": ["m1"] * number,
            "language": random.choice(["en", "de", "pt", "ja"], number, p=[0.9, 0.07, 0.02, 0.01]),
            "prompt_digest": [str(hash(tuple(text))) for text in texts],
            "short": [False] * number,
            "rule": ["eligible"] * number,
            "inclusion_probability": np.ones(number),
        }
    )
    return rows, pa.table(common | {"sketch": pa.array(sketches, pa.list_(pa.uint32()))})


def measure(number: int, near: str) -> float:
    rows, index = turns(number, 7)
    connection = connect()
    connection.register("rows", rows)
    connection.register("user_turns", index)
    connection.execute("create temp table turns as from rows")
    began = time.perf_counter()
    exclude_repeated_prompts(connection)
    exact = time.perf_counter()
    exclude_near_duplicates(connection, DuplicatesConfig(near=near))
    found = time.perf_counter()
    sampling = SamplingConfig(one_turn_per_conversation=True, turns_per_user=20)
    draw_turns(connection, sampling, "7", number // 10, StrataConfig(by=("language",), minimum=50))
    drawn = time.perf_counter()
    counts = dict(connection.execute("select rule, count(*) from turns group by rule").fetchall())
    print(
        f"{number:>9,} turns, {near:>11}: repeated {exact - began:5.1f} s ({counts.get('repeated_prompt', 0):,}), near "
        f"{found - exact:5.1f} s ({counts.get('near_duplicate', 0):,}), draw {drawn - found:4.1f} s"
    )
    return found - exact


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [25_000, 50_000, 100_000, 200_000]
    for near in ("within_user", "anywhere"):
        before: tuple[int, float] | None = None
        for size in sizes:
            seconds = measure(size, near)
            if before is not None:
                print(f"{'':>26}turns × {size / before[0]:.1f}, time × {seconds / before[1]:.1f}")
            before = (size, seconds)


if __name__ == "__main__":
    main()
