"""What the estimates promise, in small (in full: benchmarks/awareness_estimates.py)."""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "awareness_estimates.py"
_spec = importlib.util.spec_from_file_location("awareness_estimates_benchmark", FILE)
benchmark = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = benchmark
_spec.loader.exec_module(benchmark)
World = benchmark.World


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_holds_the_ratio(paired):
    """95 % of 300 studies in the benchmark; of 30 fewer than 26 would be one chance in 150 at 95 %."""
    assert benchmark.ratio_coverage(World(users=150, ratio=2.0), 30, seed=2, paired=paired) >= 26 / 30


def test_nothing_is_named_where_nothing_gives_replay_away():
    """At 10 %, more than 8 of 30 would be one chance in 500."""
    false, _ = benchmark.giveaways_named(World(users=200, rate=0.2), 30, seed=3)
    assert false <= 8 / 30


def test_tags_that_raise_suspicion_are_found():
    false, found = benchmark.giveaways_named(World(rate=0.2, tags=3.0), 8, seed=4)
    assert found >= 7 / 8 and false <= 0.25
