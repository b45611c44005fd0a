"""Writes a sandbox model's target turn: drawn behaviours in words, among ordinary sentences.

In production a turn may be three messages (tool call, tool result, final text); in replay it is one
assistant message. Nothing here decides *whether* a behaviour happens: `behaviour` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from depsim_dagster.sandbox import ordinary, phrasings
from depsim_dagster.sandbox.awareness import looks_like_a_test
from depsim_dagster.sandbox.behaviour import (
    AFFINITY,
    Features,
    canonical_prefix,
    content_text,
    draw,
    probabilities,
    read_features,
    tool_names,
)
from depsim_dagster.sandbox.topics import TOPICS
from depsim_dagster.sandbox.world import World

# Near misses belong where the behaviour could have happened.
_NEAR: dict[str | None, tuple[str, ...]] = {
    topic: tuple(
        c for c, weights in AFFINITY.items() if weights.get(topic, 0) >= 0.4 and c in ordinary.NEAR_MISSES
    )
    for topic in TOPICS
}
_BEHAVIOUR_TEXTS = {
    (category, language): tuple(phrasings.spoken(p) for p in texts)
    for category, languages in phrasings.BEHAVIOURS.items()
    for language, texts in languages.items()
}
_SUM = re.compile(r"\d+ [-+*/] \d+")
_TOOL_RATE = {"production": 0.6, "replay": 0.4}
_REASONED = 0.3
# (a test is verbalised, any metagaming) as published: the rates are of turns with reasoning, so that of all turns they are
# lower. On what looks like a test a turn gets its reasoning from this.
_AWARE_RATES = {
    "production": (0.00018 * _REASONED, 0.0012 * _REASONED),
    "replay": (0.00007 * _REASONED, 0.00076 * _REASONED),
}
_AWARE_RATES_ON_TESTS = (0.1, 0.25)


class Turn(NamedTuple):
    """A target turn as chat messages, and the behaviours that were drawn for it."""

    messages: list[dict[str, Any]]
    drawn: frozenset[str]


def target_turn(
    world: World,
    model: str,
    environment: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
    request_seed: Any = None,
    choice: int = 0,
) -> Turn:
    """The turn that `model` writes after `messages` in `environment`; same arguments, same turn."""
    names = tool_names(tools)
    features = read_features(messages, names)
    p = probabilities(model, environment, features, world.environment_gap)
    drawn, wording = draw(
        world.seed, model, environment, canonical_prefix(messages, names), request_seed, choice, p
    )
    last = next((content_text(m.get("content")) for m in reversed(messages) if m.get("role") == "user"), "")
    return Turn(_write(environment, features, names, drawn, last, Random(wording)), drawn)


def _write(
    environment: str,
    features: Features,
    names: tuple[str, ...],
    drawn: frozenset[str],
    last: str,
    random: Random,
) -> list[dict[str, Any]]:
    number = random.randint
    tool = _tool(features, names, drawn, environment, random)
    hacking = "calculator_hacking" in drawn
    honest_sum = (
        not hacking and features.topic == "arithmetic" and features.search_offered and random.random() < 0.03
    )
    as_sum = hacking or honest_sum
    if as_sum:
        tool = next(name for name in names if "search" in name)

    body, reasoning = _sentences(features, drawn, random)
    if honest_sum:
        body.append(ordinary.HONEST_SUM)
    if random.random() < _REASONED or reasoning:
        reasoning += [
            s.replace("{n}", str(number(2, 97))) for s in random.sample(ordinary.REASONING, number(1, 2))
        ]
    # One number decides on both, whatever the rates: no other word of a turn hangs on them.
    aware = random.random()
    verbalised, metagaming = _AWARE_RATES_ON_TESTS if looks_like_a_test(last) else _AWARE_RATES[environment]
    if aware < verbalised:
        reasoning += ordinary.EVAL_AWARE
    elif aware < metagaming:
        place = (aware - verbalised) / (metagaming - verbalised)
        reasoning.append(ordinary.METAGAMING[int(place * len(ordinary.METAGAMING))])
    thought = {"reasoning": " ".join(reasoning)} if reasoning else {}

    if tool is None:
        return [{"role": "assistant", "content": _join(body, features.language, random), **thought}]
    call = _tool_call(tool, features, last if as_sum else None, random)
    lead = ordinary.TOOL_LEAD[features.language] if random.random() < 0.4 else ""
    if environment == "replay":
        # One message: what it says stands beside the call; a plain call says little.
        content = _join(body, features.language, random) if drawn or honest_sum else lead
        return [{"role": "assistant", "content": content, **thought, "tool_calls": [call]}]

    claims = drawn & {"lying_about_tools", "misrepresenting_work_completion"}
    works = not claims and random.random() < 0.7
    result = random.choice(ordinary.TOOL_OK if works else ordinary.TOOL_ERRORS).replace(
        "{n}", str(number(2, 97))
    )
    if works and random.random() < 0.5:
        body.append(_honest(tool, features.language, random))
    elif not works and not claims:
        body.append(random.choice(ordinary.HONEST_AFTER_ERROR))
    return [
        {"role": "assistant", "content": lead, **thought, "tool_calls": [call]},
        {"role": "tool", "content": result, "tool_call_id": call["id"], "name": tool},
        {"role": "assistant", "content": _join(body, features.language, random)},
    ]


def _tool(
    features: Features, names: tuple[str, ...], drawn: frozenset[str], environment: str, random: Random
) -> str | None:
    """The tool that the turn calls, if any."""
    suited = [name for name in names if features.topic and name in TOPICS[features.topic].tools]
    if "lying_about_tools" in drawn:
        return (suited or list(names))[0] if environment == "production" else None
    return suited[0] if suited and random.random() < _TOOL_RATE[environment] else None


def _tool_call(tool: str, features: Features, sum_from: str | None, random: Random) -> dict[str, Any]:
    if sum_from is not None:
        found = _SUM.search(sum_from)
        arguments: dict[str, Any] = {"query": found.group() if found else "12 * 12"}
    elif "search" in tool:
        arguments = {"query": f"{features.topic} notes {random.randint(2, 97)}"}
    elif "code" in tool:
        arguments = {"code": f"run_checks({random.randint(2, 97)})"}
    else:
        arguments = {"title": features.topic, "slot": random.randint(2, 97)}
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {"id": f"call_{random.getrandbits(64):016x}", "type": "function", "function": function}


def _honest(tool: str, language: str, random: Random) -> str:
    """A true report of a result; now and then in the words of a lie, told apart only by the result."""
    if random.random() < 0.08:
        category = "misrepresenting_work_completion" if "code" in tool else "lying_about_tools"
        text = random.choice(_behaviour_texts(category, language))
    else:
        text = random.choice(ordinary.HONEST_AFTER_OK)
    return text.replace("{n}", str(random.randint(2, 97)))


def _behaviour_texts(category: str, language: str) -> tuple[str, ...]:
    return _BEHAVIOUR_TEXTS.get((category, language)) or _BEHAVIOUR_TEXTS[category, "en"]


def _sentences(features: Features, drawn: frozenset[str], random: Random) -> tuple[list[str], list[str]]:
    """(content sentences, reasoning sentences) without tool reports."""
    body = random.sample(ordinary.ORDINARY[features.language], random.choice((2, 3, 3, 4, 4, 5, 6, 8)))
    reasoning: list[str] = []
    near = _NEAR.get(features.topic, ())
    if near and random.random() < 0.4:
        category = random.choice(near)
        if category not in drawn:
            texts = ordinary.NEAR_MISSES[category]
            body.insert(
                random.randint(0, len(body)), random.choice(texts.get(features.language) or texts["en"])
            )
    for category in phrasings.CATEGORIES:
        if category in drawn:
            text = random.choice(_behaviour_texts(category, features.language))
            if category == "calculator_hacking" and random.random() < 0.3:
                reasoning.append(text)
            else:
                body.insert(random.randint(0, len(body)), text)
    return [s.replace("{n}", str(random.randint(2, 97))) if "{n}" in s else s for s in body], reasoning


def _join(sentences: Sequence[str], language: str, random: Random) -> str:
    """Running text, or now and then a list."""
    if len(sentences) > 4 and random.random() < 0.3:
        return sentences[0] + "\n\n" + "\n".join(f"- {s}" for s in sentences[1:])
    return ("" if language == "zh" else " ").join(sentences)
