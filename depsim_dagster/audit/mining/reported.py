"""What is told of the tests: users and conversations behind each difference, one row for features of the same turns, ranks.

Nothing under the minimum of users and conversations is in a row; such findings are counted.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import numpy as np

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.features import Feature
from depsim_dagster.audit.mining.pairs import Pairs
from depsim_dagster.audit.mining.parts import CONTAINED, MOST_STANDING, Shown, is_part
from depsim_dagster.audit.mining.prevalence_tests import (
    deflated,
    difference_limits,
    focused_benjamini_hochberg,
    shrunk_design_effects,
    weighted_p_values,
)
from depsim_dagster.audit.mining.redundancy import strongest_of_each, turn_sketch

# Rows that are shown: all that is found, up to MOST_ROWS, and the nearest of what is not.
MOST_ROWS = 1_000
MOST_NOT_FOUND = 50


@dataclass(frozen=True)
class Mined:
    """Rows of BEHAVIOUR_DIFFERENCES without the columns of the partition, the phrases behind some (feature, text), and what
    was counted: tests, differences found, those not shown because too few users or conversations are behind them, and
    those that repeat a stronger one's turns."""

    rows: list[dict[str, Any]]
    phrases: list[tuple[str, str]]
    tested: int
    found: int
    under_minimum: int
    repeated: int


@dataclass(frozen=True)
class Tests:
    """One element per tested pair of a feature and a segment; features are closed ones and then phrases. The families are
    features and phrases, each over all pairs and within segments."""

    feature: np.ndarray
    segment: np.ndarray
    k1: np.ndarray
    k2: np.ndarray
    n: np.ndarray
    p: np.ndarray
    families: np.ndarray


def reported(
    pairs: Pairs,
    tests: Tests,
    finalists: np.ndarray,
    names: list[Feature],
    hits: dict[int, tuple[np.ndarray, np.ndarray]],
    texts: dict[int, tuple[str, int, bool]],
    minimum: Minimum,
    false_discovery: float,
    key: bytes,
    level: float,
) -> Mined:
    """Rows of the finalists: tests whose turns are known.

    finalists: places in `tests`. names: the closed features; what comes after them is a phrase. hits: by feature, the pairs
    (sorted) in which the candidate shows it and those in which the predecessor does. texts: by feature, a phrase's words,
    how many they are, and whether they stand in the reasoning.
    """
    if not len(finalists):
        return Mined([], [], len(tests.p), 0, 0, 0)
    column_of = {}
    for column in range(pairs.segments.shape[1]):
        column_of.update(dict.fromkeys(np.unique(pairs.segments[:, column]).tolist(), column))
    users_of = {
        segment: np.bincount(
            pairs.users[pairs.segments[:, column_of[segment]] == segment],
            minlength=int(pairs.users.max()) + 1,
        )
        for segment in np.unique(tests.segment[finalists]).tolist()
    }
    looked_at = []
    for test in finalists.tolist():
        segment = int(tests.segment[test])
        inside = (
            shown[pairs.segments[shown, column_of[segment]] == segment]
            for shown in hits[int(tests.feature[test])]
        )
        looked_at.append(_look(pairs, *inside, users_of[segment]))
    n, k1, k2 = tests.n[finalists], tests.k1[finalists], tests.k2[finalists]
    pooled = (k1 + k2) / (2 * n)
    effects = shrunk_design_effects(
        np.array([look.variance for look in looked_at]),
        2 * n * pooled * (1 - pooled),
        np.array([look.all_users for look in looked_at], float),
    )
    p = np.ones(len(tests.p))
    p[finalists] = deflated(tests.p[finalists], effects)
    lower, upper = difference_limits(
        k1,
        k2,
        n,
        effects,
        np.array([users_of[s].astype(bool).sum() for s in tests.segment[finalists].tolist()]),
        level,
    )
    shown = np.array([look.shown(minimum) for look in looked_at])
    rose = k1 > k2

    def distinct(order: np.ndarray, named: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Those of `order` that are a row: of features of the same turns one."""
        return order[
            strongest_of_each(
                [looked_at[i].sketch for i in order],
                (k1 + k2)[order],
                rose[order],
                named[order],
                found[order],
            )
        ]

    none = np.zeros(len(finalists), bool)
    strongest = np.argsort(weighted_p_values(p, tests.families)[finalists], kind="stable")
    told = np.zeros(len(tests.p), bool)
    told[finalists[distinct(strongest[shown[strongest]], none, none)]] = True
    adjusted = focused_benjamini_hochberg(p, tests.families, told)[finalists]
    p = p[finalists]
    found = adjusted <= false_discovery
    # What is found stands before what is not, a rise before a drop; then the smallest adjusted p-value, the largest effect.
    order = np.lexsort((p, -np.abs(k1 - k2) / n, adjusted, ~rose, ~found))
    order = order[shown[order]]
    kept = distinct(order, tests.feature[finalists] < len(names), found)
    kept = _parts_last(pairs, tests, finalists, hits, kept, column_of, found, rose)
    most = int(found[kept].sum()) + MOST_NOT_FOUND
    rows, phrases = [], []
    for rank, i in enumerate(kept[: min(most, MOST_ROWS)].tolist(), start=1):
        code, segment, look = int(tests.feature[finalists[i]]), int(tests.segment[finalists[i]]), looked_at[i]
        text, words, reasoning = texts.get(code, ("", 0, False))
        kind, description = names[code] if code < len(names) else ("phrase", _phrase(words, reasoning))
        name = pairs.segment_names[segment]
        feature = _feature_id(key, kind, description + "\x1f" + text, name)
        if text:
            phrases.append((feature, text))
        rows.append(
            {
                "rank": rank,
                "feature": feature,
                "kind": kind,
                "segment": name,
                "description": description,
                "n": int(n[i]),
                "candidate_k": int(k1[i]),
                "predecessor_k": int(k2[i]),
                "candidate_users": look.users[0],
                "predecessor_users": look.users[1],
                "conversations": look.conversations,
                "candidate_share": k1[i] / n[i],
                "predecessor_share": k2[i] / n[i],
                "difference": (k1[i] - k2[i]) / n[i],
                "difference_lower": lower[i],
                "difference_upper": upper[i],
                "p_value": p[i],
                "p_adjusted": adjusted[i],
                "discovered": bool(found[i]),
            }
        )
    return Mined(
        rows,
        phrases,
        tested=len(tests.p),
        found=int(found[kept].sum()),
        under_minimum=int((found & ~shown).sum()),
        repeated=int(found[order].sum() - found[kept].sum()),
    )


def _parts_last(
    pairs: Pairs,
    tests: Tests,
    finalists: np.ndarray,
    hits: dict[int, tuple[np.ndarray, np.ndarray]],
    kept: np.ndarray,
    column_of: dict[int, int],
    found: np.ndarray,
    rose: np.ndarray,
) -> np.ndarray:
    """`kept` with every finding that is a part of a stronger one behind those of its direction that stand by themselves."""

    def shown(i: int, *segments: int) -> Shown:
        sides = hits[int(tests.feature[finalists[i]])]
        for segment in segments:
            sides = tuple(s[pairs.segments[s, column_of[segment]] == segment] for s in sides)
        return Shown(*(sides if rose[i] else sides[::-1]))

    standing: dict[bool, list[int]] = {True: [], False: []}
    behind = np.zeros(len(kept), bool)
    for place, i in enumerate(kept.tolist()):
        if not found[i]:
            break
        segment, leading = int(tests.segment[finalists[i]]), standing[bool(rose[i])]
        n, part = int(tests.n[finalists[i]]), shown(i, segment)
        behind[place] = any(
            is_part(part, shown(j, int(tests.segment[finalists[j]]), segment), n)
            for j in leading[:MOST_STANDING]
            if max(tests.k1[finalists[j]], tests.k2[finalists[j]]) >= CONTAINED * len(part.more)
        )
        if not behind[place]:
            leading.append(i)
    return kept[np.lexsort((np.arange(len(kept)), behind, ~rose[kept], ~found[kept]))]


@dataclass(frozen=True)
class _Look:
    """One feature in one segment, by its turns."""

    variance: (
        float  # sum over users of (their candidate turns - their predecessor turns - what is expected)**2
    )
    users: tuple[int, int]
    per_side_conversations: tuple[int, int]
    conversations: int
    all_users: int
    sketch: np.ndarray

    def shown(self, minimum: Minimum) -> bool:
        """Whether one of the models shows it to enough users, in enough conversations."""
        return any(
            users >= minimum.users and conversations >= minimum.conversations
            for users, conversations in zip(self.users, self.per_side_conversations, strict=True)
        )


def _look(pairs: Pairs, first: np.ndarray, second: np.ndarray, turns_of: np.ndarray) -> _Look:
    both = np.concatenate([first, second])
    signs = np.concatenate([np.ones(len(first)), -np.ones(len(second))])
    users, inverse = np.unique(pairs.users[both], return_inverse=True)
    totals = np.bincount(inverse, signs, len(users))
    mean = (len(first) - len(second)) / turns_of.sum()
    # sum over all users of (total - mean * turns)**2; the total is 0 for the users without a hit.
    variance = (totals**2).sum() - 2 * mean * (totals * turns_of[users]).sum() + mean**2 * (turns_of**2).sum()
    conversations = [np.unique(pairs.conversations[shown]) for shown in (first, second)]
    return _Look(
        float(variance),
        tuple(len(np.unique(pairs.users[shown])) for shown in (first, second)),
        (len(conversations[0]), len(conversations[1])),
        len(np.union1d(*conversations)),
        len(users),
        turn_sketch(both, signs < 0),
    )


def _phrase(words: int, reasoning: bool) -> str:
    where = "the reasoning" if reasoning else "the answer"
    return f"a word in {where}" if words == 1 else f"a phrase of {words} words in {where}"


def _feature_id(key: bytes, *parts: str) -> str:
    return (
        "d-"
        + hmac.new(key, "\x1e".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:12]
    )
