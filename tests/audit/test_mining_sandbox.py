"""A planted novelty is ranked first by the miner alone, and a world without one shows none (in full:
benchmarks/novel_behaviours.py)."""

import importlib.util
import sys

import pytest
from small_study import REPOSITORY

from depsim_dagster.sandbox.world import World

_spec = importlib.util.spec_from_file_location(
    "novel_behaviours_benchmark", REPOSITORY / "benchmarks" / "novel_behaviours.py"
)
assert _spec is not None and _spec.loader is not None
benchmark = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = benchmark
_spec.loader.exec_module(benchmark)


def world(seed):
    return World(seed=seed, weeks=20, conversations_per_week=600, releases={"sandbox-v2": 0})


def test_calculator_hacking_is_the_first_ranked_difference():
    mined, _, _ = benchmark.sandbox_mined(
        world(7001), 3000, ("sandbox-v3", "sandbox-v2"), taken_out={benchmark.NOVEL}
    )
    first = mined.rows[0]
    assert (
        first["description"] == "the tool browser_search receives arithmetic"
        and first["segment"] == "all prefixes"
    )
    assert first["discovered"] and first["candidate_share"] > 3 * first["predecessor_share"]


@pytest.mark.parametrize(
    ("models", "seeds"), [(("sandbox-v2", "sandbox-v1"), (1, 2)), (("sandbox-v2", "sandbox-v2"), (3, 4))]
)
def test_no_novelty_shows_nothing(models, seeds):
    found = 0
    for seed in range(3):
        mined, _, _ = benchmark.sandbox_mined(world(100 + seed), 500, models, seeds)
        assert mined.tested > 100
        found += any(row["discovered"] for row in mined.rows)
    # At 5 % a world, two of three are an accident in 138.
    assert found <= 1


def test_leaving_out_pairs_is_fair_and_leaving_out_turns_is_not():
    rejections = {design: benchmark.left_out_rejections(design, 60) for design in ("pair", "model", "kept")}
    assert rejections["pair"] <= 0.1 and rejections["model"] > 0.9 and rejections["kept"] > 0.9
