"""The sandbox auditor: that it recognises its requests, what it reports, misses and invents, and in how many words."""

import dataclasses
import itertools
import json
from collections import Counter

import pytest

from depsim_dagster.audit import auditor_prompt
from depsim_dagster.grading.evidence import Evidence
from depsim_dagster.grading.graders.verdicts import VerdictStyle
from depsim_dagster.grading.taxonomy import SHIPPED, Taxonomy
from depsim_dagster.sandbox import auditor, grader
from depsim_dagster.sandbox.auditor_words import _SLOT, ODD, OPENINGS, PHRASES, described, worded
from depsim_dagster.sandbox.phrasings import BEHAVIOURS, CATEGORIES, spoken
from depsim_dagster.yaml_document import read_yaml

TAXONOMY = Taxonomy.model_validate(read_yaml(SHIPPED["default"], ""))
HELD = VerdictStyle()
SUM = {"name": "browser_search", "arguments": '{"query": "48 * 37"}'}


def shows(category, number=0):
    """A target turn that shows a behaviour."""
    phrases = BEHAVIOURS[category]["en"]
    text = f"Sentence {number}. " + spoken(phrases[number % len(phrases)]).replace("{n}", str(number))
    calls = [{"id": "c1", "type": "function", "function": SUM}] if category == "calculator_hacking" else []
    return [{"role": "assistant", "content": text, "tool_calls": calls}]


def audited(world, turn, known=(), style=HELD):
    evidence = Evidence("t", 0, "m", [{"role": "user", "content": "Hi"}], turn, {})
    messages = [
        {"role": "system", "content": auditor_prompt.audit_system_prompt(known, style)},
        {"role": "user", "content": auditor_prompt.audit_message(evidence)},
    ]
    said = grader.answer(world, messages, auditor_prompt.findings_format(style))
    digest = auditor_prompt.block_digest(messages[-1]["content"])
    return auditor_prompt.read_findings(said, style, digest)


@pytest.mark.parametrize("output", ["json_schema", "json_object", "none"])
def test_the_request_is_recognised_however_it_is_asked(world, output):
    style = VerdictStyle(structured_output=output)
    sides = [audited(world, shows("novel_other", number), told(), style) for number in range(20)]
    assert None not in sides and sum(map(len, sides)) > 10


def told(without=None):
    return auditor_prompt.told(TAXONOMY, without)


def test_what_it_is_told_is_measured_is_left_out(world):
    numbers = range(20)
    assert sum(len(audited(world, shows("hate", n), told())) for n in numbers) <= 1
    assert sum(len(audited(world, shows("hate", n), told("hate"))) for n in numbers) >= 12


def test_it_misses_and_invents_as_planted(world):
    turns = [shows("novel_other", number) for number in range(1500)]
    found = [bool(described(f.description)) for turn in turns for f in audited(world, turn, told())]
    assert abs(found.count(True) / len(turns) - (1 - auditor.MISSED)) < 0.03
    quiet = [[{"role": "assistant", "content": f"Sentence {n}."}] for n in range(4000)]
    invented = [finding for turn in quiet for finding in audited(world, turn, told())]
    assert abs(len(invented) / len(quiet) - auditor.INVENTED) < 0.005 and not any(
        described(finding.description) for finding in invented
    )
    assert len({finding.description for finding in invented}) > 0.9 * len(invented)
    assert {finding.severity for finding in invented} <= {0, 1, 2}


def test_its_answer_hangs_on_the_turn_and_the_world_alone(world):
    turn = shows("calculator_hacking", 3)
    assert audited(world, turn) == audited(world, turn)
    others = [
        tuple(finding.description for finding in audited(dataclasses.replace(world, seed=seed), turn))
        for seed in range(8)
    ]
    assert len(set(others)) > 3


def test_most_quotations_are_to_the_letter(world):
    kinds = Counter()
    for number in range(200):
        turn = shows("calculator_hacking", number)
        for finding in audited(world, turn):
            kinds[finding.evidence in turn[0]["content"]] += 1
    assert 0.03 < kinds[False] / kinds.total() < 0.2


def test_descriptions_are_in_many_words_and_of_their_behaviour(world):
    descriptions = Counter(
        finding.description
        for number in range(300)
        for finding in audited(world, shows("calculator_hacking", number))
        if described(finding.description)
    )
    assert len(descriptions) > 100 and max(descriptions.values()) < 10
    assert all(described(text) == {"calculator_hacking"} for text in descriptions)


def test_every_variant_of_every_phrase_is_read_as_its_own_behaviour():
    assert set(PHRASES) == set(CATEGORIES)
    for category, phrases in PHRASES.items():
        assert len(phrases) >= 8
        for phrase in phrases:
            sizes = [len(slot.split("|")) for slot in _SLOT.findall(phrase)]
            for combination in itertools.product(*map(range, sizes)):
                picks = iter(combination)
                text = OPENINGS[0].format(worded(phrase, lambda n, picks=picks: next(picks)))
                assert described(text) == {category} and "{" not in text
    assert not any(described(phrase) for phrase in ODD)


def matched(world, description, category, style=HELD):
    entry = next(c for c in TAXONOMY.categories if c.id == category)
    messages = [
        {"role": "system", "content": auditor_prompt.match_system_prompt(entry, style)},
        {"role": "user", "content": auditor_prompt.match_message(description)},
    ]
    said = grader.answer(world, messages, auditor_prompt.match_format(style))
    return auditor_prompt.read_match(said, style, auditor_prompt.block_digest(messages[-1]["content"]))


@pytest.mark.parametrize("output", ["json_schema", "json_object", "none"])
def test_descriptions_are_compared_with_a_category(world, output):
    style = VerdictStyle(structured_output=output)
    texts = [finding.description for number in range(60) for finding in audited(world, shows("hate", number))]
    same = [matched(world, text, "hate", style) for text in texts]
    other = [matched(world, text, "violence", style) for text in texts]
    assert None not in same + other
    assert same.count(True) >= 0.85 * len(texts) and other.count(True) <= 0.1 * len(texts)


def test_an_unreadable_request_gets_no_answer(world):
    form = auditor_prompt.findings_format(HELD)
    for text in ("no transcript", '<transcript id="a">\n[]\n</transcript id="a">'):
        assert grader.answer(world, [{"role": "user", "content": text}], form) == grader.NO_VERDICT
    form = auditor_prompt.match_format(HELD)
    assert grader.answer(world, [{"role": "user", "content": "It sells."}], form) == grader.NO_VERDICT


def test_a_verdict_is_asked_for_as_before(world):
    """The audit's role does not stand in the way of a grading request."""
    schema = {"type": "object", "properties": {"hate": {"type": "boolean"}}, "required": ["hate"]}
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}}
    evidence = Evidence("t", 0, "m", [], shows("hate"), {})
    exact = dataclasses.replace(world, grader_sensitivity=1.0)
    messages = [{"role": "user", "content": auditor_prompt.audit_message(evidence)}]
    assert json.loads(grader.answer(exact, messages, form)) == {"hate": True}


def test_over_http(server):
    style = HELD
    evidence = Evidence("t", 0, "m", [{"role": "user", "content": "Hi"}], shows("novel_other", 1), {})
    messages = [
        {"role": "system", "content": auditor_prompt.audit_system_prompt(told(), style)},
        {"role": "user", "content": auditor_prompt.audit_message(evidence)},
    ]
    with server.client() as client:
        reply = client.chat.completions.create(
            model="sandbox-grader", messages=messages, response_format=auditor_prompt.findings_format(style)
        )
    assert auditor_prompt.read_findings(reply.choices[0].message.content, style, 0) is not None
