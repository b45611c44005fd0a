"""Words that say what a behaviour is about and are of nobody: ordinary words that many users' findings have in common.

A word counts as it was written, in small letters, when dictionaries list it and it is not rare (so no names, no codes, no
words of another alphabet's table), and when the descriptions of at least the minimum of users hold it. Not here: text of a
finding, or anything of a behaviour below the minimum size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from depsim_dagster.privacy.detection.gazetteers import gazetteer

MOST_TERMS = 6
# Twice the Zipf frequency (gazetteers.Lexeme): 6 is once in a million words.
COMMON = 6
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{3,}(?![^\W_])")


def behaviour_terms(findings: pd.DataFrame, label: np.ndarray, least_users: int) -> dict[int, list[str]]:
    """Group → its terms, at most MOST_TERMS, the most specific first.

    findings: rows with `description` and `user_id`; label: their groups, -1 for none. A word is specific when a larger share
    of the group's users have it than of the users outside: ranked by share * log of the ratio of shares (half a user added
    to each), and left out where that is not above 0.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    rows = [
        (group, user, word)
        for group, user, text in zip(label, findings["user_id"], findings["description"], strict=True)
        for word in _words(text)
        if word not in ENGLISH_STOP_WORDS
    ]
    told = pd.DataFrame(rows, columns=["group", "user", "word"]).drop_duplicates()
    users = pd.DataFrame({"group": label, "user": findings["user_id"].to_numpy()}).drop_duplicates()
    inside = told.groupby(["group", "word"]).size()
    everywhere = told.groupby("word").size()
    members = users.groupby("group").size()
    terms: dict[int, list[str]] = {}
    for group in sorted(set(label[label >= 0].tolist())):
        if group not in inside.index.get_level_values(0):
            terms[group] = []
            continue
        own = inside.loc[group]
        own = own[own >= least_users]
        share = (own + 0.5) / (members[group] + 1)
        outside = (everywhere[own.index] - own + 0.5) / (members.sum() - members[group] + 1)
        score = share * np.log(share / outside)
        ranked = sorted((-value, word) for word, value in score.items() if value > 0)
        terms[group] = [word for _, word in ranked[:MOST_TERMS]]
    return terms


def _words(text: str) -> Iterable[str]:
    """The distinct ordinary words of a text that are written in small letters."""
    lexeme = gazetteer().lexeme
    for word in dict.fromkeys(_WORD.findall(text)):
        if word.islower():
            known = lexeme(word)
            if known.word >= COMMON and max(known.first, known.last, known.place) <= known.word:
                yield word
