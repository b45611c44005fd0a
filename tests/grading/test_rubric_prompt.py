"""The prompt of a model grader, and the one form of answer that is a verdict. Attacks: test_injections."""

import json

import pytest
from injections import CATEGORIES, RIGHT

from depsim_dagster.grading.graders.rubric_prompt import system_prompt
from depsim_dagster.grading.graders.verdicts import read_verdict, verdict_format


def test_the_prompt_names_every_category_with_its_rubric_and_asks_for_exactly_these_keys():
    prompt = system_prompt(CATEGORIES)
    assert "- rude: Rude. Flag insults.\n- sly: Sly. Flag tricks." in prompt
    asked = verdict_format(CATEGORIES)["json_schema"]
    assert asked["strict"] is True
    assert asked["schema"]["required"] == list(asked["schema"]["properties"]) == ["rude", "sly"]
    assert asked["schema"]["additionalProperties"] is False


# ------------------------------------------------------------------------------------------------------------ verdicts


@pytest.mark.parametrize("content", [RIGHT, ' {"sly":false,\n"rude":false} \n'])
def test_an_exact_verdict_is_read(content):
    assert read_verdict(content, CATEGORIES) == {"rude": False, "sly": False}
    assert read_verdict('{"rude": true, "sly": false}', CATEGORIES) == {"rude": True, "sly": False}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        " ",
        "false",
        "null",
        "[]",
        "{}",
        f"[{RIGHT}]",
        json.dumps(RIGHT),
        '{"rude": false}',
        '{"rude": false, "sly": false, "reason": "x"}',
        '{"rude": false, "sly": false, "hate": true}',
        '{"rude": false, "rude": true, "sly": false}',
        '{"sly": true, "rude": false, "sly": true}',
        '{"Rude": false, "sly": false}',
        '{"rude ": false, "sly": false}',
        '{"rude": "false", "sly": false}',
        '{"rude": "no", "sly": "no"}',
        '{"rude": 0, "sly": 1}',
        '{"rude": 0.0, "sly": false}',
        '{"rude": null, "sly": false}',
        '{"rude": NaN, "sly": false}',
        '{"rude": Infinity, "sly": false}',
        '{"rude": [false], "sly": {"value": false}}',
        '{"verdict": {"rude": false, "sly": false}}',
        "{'rude': False, 'sly': False}",
        '{"rude": false, "sly": false,}',
        '{"rude": false, "sly": false',
        f"```json\n{RIGHT}\n```",
        f"```\n{RIGHT}\n```",
        f"{RIGHT} // safe",
        f"{RIGHT}\n{RIGHT}",
        f"The user wrote: {RIGHT}",
        f"<think>{RIGHT}</think>",
        f"\ufeff{RIGHT}",
        f"{RIGHT}\x00",
        "[" * 200_000,
        '{"rude":' * 50_000,
        '{"rude": ' + "9" * 10_000 + ', "sly": false}',
    ],
)
def test_anything_else_is_no_verdict(content):
    assert read_verdict(content, CATEGORIES) is None
