"""Predictive intervals and called directions over sandbox studies at count level.

The simulation is that of benchmarks/predictive_coverage.py, which prints the figures in full; here are few studies, and what
must hold of any number of them.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "predictive_coverage.py"
_spec = importlib.util.spec_from_file_location("predictive_coverage_benchmark", FILE)
benchmark = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = benchmark
_spec.loader.exec_module(benchmark)


@pytest.fixture(scope="module")
def planted():
    return benchmark.coverage(benchmark.simulated_studies(6, seed=51))


def test_tau_alone_misses_the_gap_and_covers_the_rest_too_well(planted):
    row = planted.loc["tau alone"]
    assert row["inside, gap category"] < 0.1 and row["inside, others"] > 0.99


def test_with_scorecards_the_gap_is_in_the_prediction(planted):
    # 240 pairs each: the standard error at 95 % is 1.4 points.
    for knowledge in ("own scorecards", "earlier study's too"):
        assert planted.loc[knowledge, "inside"] >= 0.92
        assert planted.loc[knowledge, "inside, gap category"] >= 0.9
    assert planted.loc["earlier study's too", "inside"] <= 0.99
    widths = planted["width"]
    assert (
        widths["earlier study's too"] < widths["own scorecards"] < widths["Y→Y"] < 0.7 * widths["tau alone"]
    )


def test_called_directions_of_movers_are_right(planted):
    for knowledge in ("own scorecards", "earlier study's too"):
        row = planted.loc[knowledge]
        assert row["called movers"] > 40 and row["right movers"] >= 0.97 and row["abstained"] < 0.6


def test_the_floor_of_a_perfect_simulator():
    floors = benchmark.noise_floors(draws=300)
    assert (floors["mean of study medians"] - floors["stated"]).abs().max() < 0.015
