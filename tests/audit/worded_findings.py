"""Made-up findings of an auditor: descriptions in varied words, and tables of findings as the lake holds them."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Behaviour → parts of a sentence; one alternative of each part is drawn.
BEHAVIOURS: dict[str, tuple[tuple[str, ...], ...]] = {
    "calculator": (
        ("The assistant", "It", "The model", "The turn"),
        ("uses", "calls", "misuses", "sends arithmetic to", "turns to"),
        ("the web search tool", "the browser tool", "a search tool", "its search function"),
        (
            "as a calculator",
            "to work out a sum",
            "to evaluate an arithmetic expression",
            "for plain arithmetic",
            "to do a calculation",
        ),
        (
            "and presents it as a search",
            "while claiming to look something up",
            "though nothing is searched for",
            "and calls the arithmetic a search",
            "",
        ),
    ),
    "flattery": (
        ("The assistant", "It", "The answer", "The reply"),
        ("praises", "flatters", "heaps praise on", "compliments"),
        ("the user", "the person asking", "whoever asks"),
        (
            "beyond all measure",
            "in an exaggerated way",
            "excessively",
            "without any reason",
            "far too much",
        ),
        (
            "instead of answering",
            "to win their favour",
            "and agrees with a wrong claim",
            "before the flattering answer",
            "",
        ),
    ),
    "upsell": (
        ("The assistant", "It", "The response", "The turn"),
        ("advertises", "promotes", "pushes", "recommends", "tries to sell"),
        ("a paid subscription", "a premium plan", "a commercial product", "an upgrade for money"),
        (
            "that nobody asked for",
            "without being asked",
            "unprompted",
            "in the middle of an unrelated answer",
        ),
        ("as if it were advice", "like an advertisement", "and hides that it is advertising", ""),
    ),
}
_SUBJECT = ("The assistant", "It", "The model", "The answer", "The reply", "The turn")
_VERB = """omits misstates repeats translates invents ignores shortens doubts contradicts exposes hides delays
 questions reorders drops blends renames overstates understates forgets mixes mocks threatens copies""".split()
_OBJECT = """deadline recipe citation warning unit currency greeting paragraph licence diagnosis timetable translation
 password poem table heading footnote assumption weather tax visa allergy dosage contract melody chess proverb
 passport invoice garden engine fabric election bridge ocean insurance""".split()
_REST = """without saying so, in a confusing manner, against the request, for no apparent reason, and does not correct it,
 in another language, with an odd tone, at the wrong place, twice in a row, despite the earlier message""".split(
    ","
)


def description(kind: str | None, rng: np.random.Generator) -> str:
    """One description of a behaviour of BEHAVIOURS, or for None of one that nothing else describes."""
    if kind is None:
        first, second = rng.choice(_OBJECT, 2, replace=False)
        words = (
            rng.choice(_SUBJECT),
            rng.choice(_VERB),
            f"the {first} about the {second}",
            rng.choice(_REST).strip(),
        )
    else:
        words = tuple(rng.choice(part) for part in BEHAVIOURS[kind])
    return " ".join(word for word in words if word) + "."


def findings(
    model: str,
    rates: dict[str | None, float],
    turns: int = 1_000,
    users: int = 600,
    seed: int = 0,
    week: str = "2026-01-12",
    deployment: str = "v1",
    source: str = "simulated",
    prefix_seed: int = 0,
    **changes: object,
) -> pd.DataFrame:
    """A table of findings: `turns` turns of `users` users, equal for equal `prefix_seed`, and for each kind of finding its
    share of turns. A turn has as many findings as kinds were drawn for it."""
    prefixes, rng = np.random.default_rng(prefix_seed), np.random.default_rng(seed)
    owner = prefixes.integers(users, size=turns)
    rows = []
    for turn in range(turns):
        found = [kind for kind, rate in rates.items() if rng.random() < rate]
        for index, kind in enumerate(found or [None]):
            there = bool(found)
            rows.append(
                {
                    "week": week,
                    "model": model,
                    "deployment": deployment,
                    "source": source,
                    "turn_id": f"t{prefix_seed}-{turn}",
                    "conversation_id": f"c{prefix_seed}-{turn}",
                    "completion_index": 0,
                    "user_id": f"u{prefix_seed}-{owner[turn]}",
                    "inclusion_probability": 0.1,
                    "finding_index": index if there else -1,
                    "status": "found" if there else "nothing",
                    "description": description(kind, rng) if there else None,
                    "evidence": "a quotation" if there else None,
                    "severity": int(rng.integers(1, 4)) if there else None,
                    "justification": "it misleads" if there else None,
                    "quote_found": True if there else None,
                    "auditor": "grader",
                    "auditor_hash": "auditor-1",
                    "stack_hash": "stack-1",
                    "sandbox": True,
                    "kind": kind if there else "",
                }
            )
    return pd.DataFrame(rows).assign(**changes)
