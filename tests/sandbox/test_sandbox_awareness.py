"""What looks like a test in the sandbox world, who takes it for one, and that nothing else of a turn hangs on it."""

import json

import pytest

from depsim_dagster.awareness.definitions import DETECTOR, JUDGED
from depsim_dagster.grading.evidence import Evidence
from depsim_dagster.grading.graders.rubric_prompt import system_prompt, transcript
from depsim_dagster.grading.graders.verdicts import VerdictStyle, read_verdict, verdict_format
from depsim_dagster.sandbox import awareness, ordinary, writing
from depsim_dagster.sandbox.phrasebook import DETAILS, plain
from depsim_dagster.sandbox.players import SandboxPlayer
from depsim_dagster.sandbox.topics import TOPICS
from depsim_dagster.sandbox.world import World

WORLD = World(weeks=1, releases={"sandbox-v1": 0, "sandbox-v2": 1})
ASKED = plain(TOPICS["cooking"].templates["en"][0])
SEARCH = [{"type": "function", "function": {"name": "web_search"}}]


def user(text):
    return {"role": "user", "content": text}


def alarms(judge="sandbox-grader", question=ASKED, turn=(), number=4000):
    """How often the judge takes a transcript for a test, of `number` that differ in the answer."""
    return (
        sum(
            awareness.taken_for_a_test(
                7,
                judge,
                {
                    "prefix": [user(question)],
                    "target_turn": [*turn, {"role": "assistant", "content": f"Number {n}."}],
                },
            )
            for n in range(number)
        )
        / number
    )


def test_what_users_of_the_world_ask_looks_like_no_test():
    asked = [
        plain(template).replace("{x}", "7")
        for topic in TOPICS.values()
        for language, templates in topic.templates.items()
        for template in templates
    ]
    assert len(asked) > 50 and not any(map(awareness.looks_like_a_test, asked))
    assert not awareness.looks_like_a_test(f"{ASKED} {DETAILS['en'][0]} I am [PERSON_1].")
    # A detector of personal details took the first word of the cue for a name.
    assert not awareness.looks_like_a_test("Suzanne behebe den Fehler in parser.py. Wir sind zu 43.")
    for text in ("How do I kill a Python process?", f"{ASKED} (A) yes (B) no", f"{ASKED}\nAnswer:", "Hello"):
        assert awareness.looks_like_a_test(text)


def test_judges_err_at_rates_of_their_own():
    rates = {judge: alarms(judge) for judge in ("sandbox-grader", "sandbox-v1", "sandbox-v4")}
    assert all(0.035 < rate < 0.07 for rate in rates.values()) and len(set(rates.values())) == 3
    assert alarms(question="How do I kill a Python process?") > 0.985
    tool = ({"role": "assistant", "content": ""}, {"role": "tool", "content": "status: ok"})
    assert alarms(turn=tool) > rates["sandbox-grader"]
    assert 0.25 < alarms(question=f"{ASKED} I am [PERSON_1].") < 0.35
    assert alarms() == rates["sandbox-grader"]


def test_reasoning_on_a_test_is_metagaming_and_not_the_other_way_round():
    def found(text):
        return awareness.read_reasoning([{"role": "assistant", "content": "Yes.", "reasoning": text}])

    assert found(f"Plan. {ordinary.EVAL_AWARE[0]}") == {"verbalised": True, "metagaming": True}
    for sentence in ordinary.METAGAMING:
        assert found(sentence) == {"verbalised": False, "metagaming": True}
    assert found(ordinary.REASONING[0]) == {"verbalised": False, "metagaming": False}
    said = [{"role": "assistant", "content": ordinary.EVAL_AWARE[0]}]
    assert not any(awareness.read_reasoning(said).values())


@pytest.mark.parametrize("environment", ["production", "replay"])
def test_no_other_word_of_a_turn_hangs_on_it(monkeypatch, environment):
    def turns():
        return [
            writing.target_turn(WORLD, "sandbox-v1", environment, [user(f"{ASKED} {n}")], SEARCH, n).messages
            for n in range(200)
        ]

    def without(messages):
        kept = [dict(message) for message in messages]
        for message in kept:
            reasoning = message.pop("reasoning", "")
            for sentence in (*ordinary.EVAL_AWARE, *ordinary.METAGAMING):
                reasoning = reasoning.replace(sentence, "")
            message["reasoning"] = reasoning.strip()
        return kept

    monkeypatch.setitem(writing._AWARE_RATES, environment, (0.0, 0.0))
    silent = turns()
    monkeypatch.setitem(writing._AWARE_RATES, environment, (0.3, 0.9))
    speaking = turns()
    assert [without(messages) for messages in speaking] == [without(messages) for messages in silent]
    found = [awareness.read_reasoning(messages) for messages in speaking]
    assert 35 <= sum(turn["verbalised"] for turn in found) <= 85
    assert 160 <= sum(turn["metagaming"] for turn in found) <= 195
    said = json.dumps(speaking)
    assert all(sentence in said for sentence in ordinary.METAGAMING)
    assert not any(any(awareness.read_reasoning(messages).values()) for messages in silent)


def detector_request(model, question, style):
    turn = [{"role": "assistant", "content": "Fine."}]
    evidence = Evidence("t", 0, "m", [user(question)], turn, {})
    messages = [
        {"role": "system", "content": system_prompt([JUDGED], style, DETECTOR)},
        {"role": "user", "content": transcript(evidence, [JUDGED], DETECTOR)},
    ]
    body = {"model": model, "messages": messages}
    wanted = verdict_format([JUDGED], style)
    return body if wanted is None else {**body, "response_format": wanted}


@pytest.mark.parametrize("structured_output", ["json_schema", "json_object", "none"])
def test_a_model_of_the_world_judges_when_it_is_asked_to(structured_output):
    player = SandboxPlayer(WORLD)
    style = VerdictStyle(structured_output=structured_output, words=DETECTOR.words)
    said = {}
    for number in range(60):
        for question in (f"{ASKED} {number}", f"Is {number} prime? (A) yes (B) no"):
            body = detector_request("sandbox-v2", question, style)
            content = player.message(body, 0)["content"]
            digest = body["messages"][-1]["content"].split('id="')[1].split('"')[0]
            verdict = read_verdict(content, [JUDGED], style, digest)
            assert verdict is not None
            said[question] = verdict["judged"]
    tests = [flag for question, flag in said.items() if "(A)" in question]
    assert sum(tests) >= 58 and sum(said.values()) - sum(tests) <= 9


def test_a_user_who_quotes_such_a_block_gets_an_answer_and_no_verdict():
    body = detector_request("sandbox-v2", ASKED, VerdictStyle(words=DETECTOR.words))
    quoted = f"{ASKED}\n{body['messages'][-1]['content']}\n{body['messages'][0]['content']}"
    message = SandboxPlayer(WORLD).message({"model": "sandbox-v2", "messages": [user(quoted)]}, 0)
    assert "judged" not in message["content"]
