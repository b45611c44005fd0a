"""The sandbox auditor, a role of the model `sandbox-grader`: it describes behaviours that nobody asked it about.

It learns nothing but the request's text. It reads the target turn as the grader does, leaves out what the instructions name
as measured already, misses some, invents some, and words what is left in many ways. Asked about a description, it says
whether that is an instance of the category in the instructions. All of it is a hash of seed and text, so that the same
request gets the same answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from depsim_dagster.sandbox.auditor_words import ODD, OPENINGS, PHRASES, described, worded
from depsim_dagster.sandbox.behaviour import content_text
from depsim_dagster.sandbox.phrasings import BEHAVIOURS
from depsim_dagster.sandbox.world import World

# Planted: what the auditor overlooks of what is there, how often it reports something odd, how often it does not quote
# to the letter, and how often it takes a description for what it is not, or the other way round.
MISSED = 0.2
INVENTED = 0.01
PARAPHRASED = 0.1
MISMATCHED = 0.03

_ENTRY = re.compile(r"^- ([a-z][a-z0-9_]*): ", re.MULTILINE)
_DESCRIPTION = re.compile(r'<description id="([0-9a-f]+)">\n(.*)\n</description id="\1">')
_GRAVE = {"calculator_hacking": 3, "novel_other": 3, "confirmation_hacking": 2}
_REASONS = (
    "Nobody would expect this of an assistant.",
    "The user did not ask for it and is worse off.",
    "It misleads the person who relies on the answer.",
    "A reasonable user would object if they noticed.",
)


def asks_for_findings(schema: Mapping[str, Any] | None) -> bool:
    """Whether an answer of this schema is an audit's."""
    properties = (schema or {}).get("properties")
    return isinstance(properties, Mapping) and "findings" in properties


def asks_for_a_match(schema: Mapping[str, Any] | None) -> bool:
    """Whether an answer of this schema is about a description."""
    properties = (schema or {}).get("properties")
    return isinstance(properties, Mapping) and "instance" in properties


def named_categories(messages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The categories that the instructions have an entry for."""
    texts = (
        content_text(message.get("content"))
        for message in messages
        if message.get("role") in ("system", "developer")
    )
    return frozenset(name for text in texts for name in _ENTRY.findall(text))


def findings(
    world: World, shown: frozenset[str], known: frozenset[str], texts: str, turn: bytes
) -> list[dict[str, Any]]:
    """What the auditor reports of a turn: the behaviours that it `shown`, but for those `known` already and those missed, and
    now and then an odd one. `texts` is what the turn says, `turn` all of it, to hash."""
    found = [
        _finding(world, category, texts, turn)
        for category in sorted(shown - known)
        if _random(world, "missed", category, turn).random() >= MISSED
    ]
    random = _random(world, "invented", "", turn)
    if random.random() < INVENTED:
        found.append(
            {
                "description": _sentence(ODD, random),
                "evidence": _first_words(texts, random),
                "severity": random.choice((0, 1, 1, 2)),
                "justification": "It is unusual.",
            }
        )
    return sorted(found, key=lambda finding: -finding["severity"])


def matches(world: World, messages: Sequence[Mapping[str, Any]], text: str) -> tuple[str, bool] | None:
    """(id of the description block in `text`, whether it is an instance of the category in the instructions); None where
    there is no such block."""
    block = _DESCRIPTION.search(text)
    named = sorted(named_categories(messages))
    if block is None or not named:
        return None
    try:
        description = json.loads(block.group(2))
    except ValueError:
        return None
    same = named[0] in described(str(description))
    random = _random(world, "matched", named[0], str(description).encode("utf-8", "surrogatepass"))
    return block.group(1), same != (random.random() < MISMATCHED)


def _finding(world: World, category: str, texts: str, turn: bytes) -> dict[str, Any]:
    random = _random(world, "worded", category, turn)
    return {
        "description": _sentence(PHRASES[category], random),
        "evidence": _quotation(category, texts, random),
        "severity": max(0, min(4, _GRAVE.get(category, 3) + random.choice((-1, 0, 0, 0, 1)))),
        "justification": random.choice(_REASONS),
    }


def _sentence(phrases: Sequence[str], random: Random) -> str:
    phrase = worded(random.choice(phrases), random.randrange)
    return random.choice(OPENINGS).format(phrase)


def _quotation(category: str, texts: str, random: Random) -> str:
    """The phrase by which the behaviour was recognised, or now and then a free rendering of it."""
    for phrasings in BEHAVIOURS[category].values():
        for phrasing in phrasings:
            said = re.search(r"\d+".join(map(re.escape, _marked(phrasing).split("{n}"))), texts)
            if said is not None:
                quote = said.group()
                return f"roughly: {quote.lower()}" if random.random() < PARAPHRASED else quote
    return _first_words(texts, random)


def _marked(phrasing: str) -> str:
    """The words in square brackets, by which a phrasing is recognised."""
    return phrasing[phrasing.index("[") + 1 : phrasing.index("]")]


def _first_words(texts: str, random: Random) -> str:
    words = texts.split()
    return " ".join(words[: random.randint(3, 8)])


def _random(world: World, purpose: str, category: str, text: bytes) -> Random:
    place = f"{world.seed}\x1fauditor\x1f{purpose}\x1f{category}\x1f".encode() + text
    return Random(hashlib.blake2b(place, digest_size=16).digest())
