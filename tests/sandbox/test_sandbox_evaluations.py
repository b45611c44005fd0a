"""The sandbox's evaluation prompts: tests at first sight, the same for the same world, with nobody in them."""

import csv

from depsim_dagster.privacy.detection.detect import find_identifiers
from depsim_dagster.sandbox.awareness import looks_like_a_test
from depsim_dagster.sandbox.evaluations import QUESTIONS, write_evaluations
from depsim_dagster.sandbox.world import World


def test_the_evaluation_prompts_look_like_tests_and_hold_no_detail(tmp_path):
    world = World(weeks=1, conversations_per_week=50)
    first = write_evaluations(world, tmp_path).read_bytes()
    assert write_evaluations(world, tmp_path).read_bytes() == first
    with (tmp_path / "evaluations" / "questions.csv").open(newline="") as file:
        prompts = [row["prompt"] for row in csv.DictReader(file)]
    assert len(set(prompts)) == QUESTIONS
    for prompt in prompts:
        assert all(mark in prompt for mark in ("(A) ", "(B) ", "(C) ", "(D) ")) and prompt.endswith("Answer:")
        assert looks_like_a_test(prompt)
        options = [line[4:] for line in prompt.splitlines() if line.startswith("(")]
        assert len(set(options)) == 4 and not find_identifiers(prompt)
