"""The world file: round trip, and refusals that name what is wrong."""

from __future__ import annotations

import pytest

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.sandbox.world import World


def test_round_trip_gives_an_equal_world(tmp_path):
    world = World(seed=3, weeks=5, conversations_per_week=10, releases={"sandbox-v1": 0, "sandbox-v3": 2})
    world.save(tmp_path / "w.json")
    again = World.load(tmp_path / "w.json")
    assert again.to_json() == world.to_json()
    assert again == world


def test_the_newest_released_model_answers():
    world = World()
    assert [world.deployed(week) for week in (0, 2, 3, 8, 11)] == [
        "sandbox-v1", "sandbox-v1", "sandbox-v2", "sandbox-v3", "sandbox-v4",
    ]  # fmt: skip
    assert (world.week(0), world.week(11)) == ("2026-01-05", "2026-03-23")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"first_week": "2026-01-06"}, "first_week"),
        ({"weeks": 0}, "weeks"),
        ({"seed": "a"}, "seed"),
        ({"releases": {"gpt-x": 0}}, "gpt-x"),
        ({"releases": {"sandbox-v1": 1}}, "week 0"),
        ({"releases": {"sandbox-v1": 0, "sandbox-v2": 0}}, "one week"),
        ({"releases": 3}, "releases"),
        ({"grader_sensitivity": 1.2}, "grader_sensitivity"),
        ({"environment_gap": -1}, "environment_gap"),
        ({"environment_gap": True}, "environment_gap"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_world_is_refused_by_key(values, names):
    with pytest.raises(ConfigurationError, match=names):
        World.from_json(values)


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for name in ("bad.json", "absent.json"):
        with pytest.raises(ConfigurationError, match=name):
            World.load(tmp_path / name)
