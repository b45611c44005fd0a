"""The prefixes that a candidate and its predecessor both answered, as numbers: users, conversations, tools, segments.

No text is held. A side of the comparison is a stream of (number of the pair, assistant message) that can be read again.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.features import MOST_NAMED_TOOLS, tool_names
from depsim_dagster.audit.mining.segments import (
    KEYS,
    LARGEST_SHARE,
    MOST_TOPICS,
    OVERALL,
    prompt_keys,
    template_codes,
)

# Batches of (pair, assistant message), in any order; every pair once.
Side = Callable[[], Iterable[list[tuple[int, Mapping[str, Any]]]]]


@dataclass(frozen=True)
class Pairs:
    """One element per pair. `segments` is (pairs, columns) of codes into `segment_names`, -1 for none; the first column is 0,
    all pairs. `tool_sets[offered]` are the tools on offer, `nameable` those of them that may be named."""

    users: np.ndarray
    conversations: np.ndarray
    offered: np.ndarray
    tool_sets: tuple[frozenset[str], ...]
    nameable: frozenset[str]
    segments: np.ndarray
    segment_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.users)


class Prefixes:
    """Prefixes read one by one; `pairs` makes the table of those that both models answered."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._conversations: dict[str, int] = {}
        self._tools: dict[frozenset[str], int] = {}
        self._tool_texts: dict[str | None, int] = {}
        self._topics: dict[str | None, int] = {}
        self._rows = array("i")  # user, conversation, tools and topic of each prefix, one after the other
        self._keys = array("Q")  # KEYS hashes of each

    def __len__(self) -> int:
        return len(self._rows) // 4

    def add(
        self, user: str, conversation: str, prompt: str, tools: str | None = None, topic: str | None = None
    ) -> int:
        """The number of this prefix. prompt: the sampled user turn's text; tools: JSON list of those on offer."""
        if tools not in self._tool_texts:
            if len(self._tool_texts) > 10_000:  # tools with a text of their own for each turn
                self._tool_texts.clear()
            names = tool_names(tools)
            self._tool_texts[tools] = self._tools.setdefault(names, len(self._tools))
        self._rows.extend(
            (
                self._users.setdefault(user, len(self._users)),
                self._conversations.setdefault(conversation, len(self._conversations)),
                self._tool_texts[tools],
                self._topics.setdefault(topic, len(self._topics)),
            )
        )
        self._keys.frombytes(prompt_keys(prompt).tobytes())
        return len(self) - 1

    def pairs(self, prefixes: np.ndarray, minimum: Minimum) -> Pairs:
        """The pairs whose prefixes have these numbers; a prefix stands once for each completion index."""
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, 4)[prefixes]
        users, conversations, offered, topics = rows.T
        keys = np.array(self._keys, dtype=np.uint64).reshape(-1, KEYS)[prefixes]
        sets = tuple(self._tools)
        templates = template_codes(keys, users, minimum.users)
        names = [OVERALL, *(f"prompt template {code + 1}" for code in range(templates.max(initial=-1) + 1))]
        columns = [np.zeros(len(rows), np.int16), np.where(templates < 0, -1, templates + 1)]
        topic_column = np.full(len(rows), -1, np.int16)
        for code in _large_topics(list(self._topics), topics, users, conversations, minimum):
            topic_column[topics == code] = len(names)
            names.append(f"topic {list(self._topics)[code]}")
        segments = np.stack([*columns, topic_column], axis=1).astype(np.int16)
        return Pairs(
            users,
            conversations,
            offered,
            sets,
            _nameable(sets, offered, users, minimum),
            segments,
            tuple(names),
        )


def _large_topics(
    topics: list[str | None], codes: np.ndarray, users: np.ndarray, conversations: np.ndarray, least: Minimum
) -> list[int]:
    sizes = Counter(codes.tolist())
    large = []
    for code, size in sizes.most_common():
        if topics[code] is None or size > LARGEST_SHARE * len(codes):
            continue
        members = codes == code
        enough = len(np.unique(users[members])) >= least.users
        if enough and len(np.unique(conversations[members])) >= least.conversations:
            large.append(code)
        if len(large) == MOST_TOPICS:
            break
    return large


def _nameable(
    sets: tuple[frozenset[str], ...], offered: np.ndarray, users: np.ndarray, minimum: Minimum
) -> frozenset[str]:
    """The tools that at least the minimum of users are offered, at most MOST_NAMED_TOOLS of them."""
    offers: dict[str, set[int]] = {}
    for code, tools in enumerate(sets):
        if tools:
            members = set(np.unique(users[offered == code]).tolist())
            for name in tools:
                offers.setdefault(name, set()).update(members)
    enough = sorted(
        (-len(members), name) for name, members in offers.items() if len(members) >= minimum.users
    )
    return frozenset(name for _, name in enough[:MOST_NAMED_TOOLS])
