"""Kinds of prefixes found without a label: prompts of one template, and the topic that the log's owner named.

A drift that touches one kind of task is lost among all the others (29 of 1,358 prompts), so differences are looked for
within segments too. A template is what prompts share literally: their first words, or a whole line. Templates are found by
hashes and are numbered by size; nothing of a prompt is kept or shown.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import islice

import numpy as np

from depsim_dagster.audit.mining.text_shapes import WORD

OVERALL = "all prefixes"
MOST_TEMPLATES = 12
MOST_TOPICS = 12
# A template is of this share of the pairs at least, and of no more than that: what nearly all share tells none apart.
LEAST_SHARE, LARGEST_SHARE = 0.01, 0.95
FEWEST_PAIRS = 20
_FIRST_WORDS = 3
_LINES = 8
KEYS = 1 + _LINES
_READ = 4_000
_DIGITS = re.compile(r"\d+")
_WORD_OR_NUMBER = re.compile("#|" + WORD.pattern)


def prompt_keys(text: str) -> np.ndarray:
    """Hashes of what a prompt may share with others of its template: uint64 array of KEYS, 0 where there is none.

    text: the user turn. Numbers are masked, so that "Is 17077 a prime" and "Is 19997 a prime" are one template.
    """
    text = _DIGITS.sub("#", text[:_READ])
    keys = np.zeros(KEYS, dtype=np.uint64)
    words = [match.group() for match in islice(_WORD_OR_NUMBER.finditer(text), _FIRST_WORDS)]
    if len(words) == _FIRST_WORDS:
        keys[0] = _hashed("words\x1f" + "\x1f".join(words).lower())
    lines = (line.strip() for line in text.splitlines())
    # The first line is seen as its first words; a prompt of one line has no other.
    further = [line for number, line in enumerate(line for line in lines if len(line) >= 8) if number]
    for place, line in enumerate(further[:_LINES], start=1):
        keys[place] = _hashed("line\x1f" + line)
    return keys


@lru_cache(maxsize=65_536)
def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) or 1


def template_codes(keys: np.ndarray, users: np.ndarray, fewest_users: int) -> np.ndarray:
    """The template of every row: 0 for the largest, -1 for none.

    keys: uint64 (rows, KEYS) of `prompt_keys`; users: a code of each row's user. A row belongs to the most frequent of its
    keys; a template has LEAST_SHARE of the rows, FEWEST_PAIRS of them and `fewest_users` users.
    """
    rows = len(keys)
    codes = np.full(rows, -1, dtype=np.int16)
    if not rows:
        return codes
    place = np.repeat(np.arange(rows), keys.shape[1])
    flat = keys.reshape(-1)
    there = flat != 0
    values, inverse = np.unique(flat[there], return_inverse=True)
    if not len(values):
        return codes
    # A line that a prompt repeats counts once.
    pairs = np.unique(np.stack([inverse, place[there]]), axis=1)
    counts = np.bincount(pairs[0], minlength=len(values))
    fewest = max(FEWEST_PAIRS, int(np.ceil(LEAST_SHARE * rows)))
    usable = (counts >= fewest) & (counts <= max(LARGEST_SHARE * rows, fewest))
    # Of equally frequent keys the one with the smaller hash, so that the same rows always make the same templates.
    rank = np.where(usable, counts, 0)[pairs[0]] * len(values) + (len(values) - 1 - pairs[0])
    best = np.zeros(rows, dtype=np.int64)
    np.maximum.at(best, pairs[1], np.where(usable[pairs[0]], rank, 0))
    chosen = np.where(best > 0, len(values) - 1 - best % len(values), -1)
    sizes = np.bincount(chosen[chosen >= 0], minlength=len(values))
    order = np.argsort(-sizes, kind="stable")
    number = 0
    for key in order:
        members = chosen == key
        if number == MOST_TEMPLATES or sizes[key] < fewest:
            break
        if len(np.unique(users[members])) >= fewest_users:
            codes[members] = number
            number += 1
    return codes
