"""Descriptions as points of a space in which like ones are near: the local vectoriser, which needs no model call.

Base forms of words, each weighted by how rare it is in English, and at less weight the character n-grams of the same words
(`search` and `searching` of two texts are alike). The weights do not come from the findings, as inverse document frequencies
would: a behaviour that is frequent among them would make its own words worth little, and fall apart. The features are
reduced by a truncated singular value decomposition (latent semantic analysis: Deerwester et al. 1990, J Am Soc Inf Sci
41:391-407) and scaled to length 1. The same descriptions give the same points.

It knows words and not meanings: two wordings of a behaviour without a word in common are two groups. Not here: an endpoint's
embeddings, which know more (`embedded`), or what is made of the points (`grouping`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from depsim_dagster.privacy.detection.gazetteers import gazetteer

DIMENSIONS = 100
CHARACTER_WEIGHT = 0.3
# Words and n-grams that are kept, each: memory stays bounded however many descriptions there are.
MOST_FEATURES = 50_000
# Length that is left of a text of length 1 in the dimensions that texts have in common.
LEAST_COMMON = 0.3
LOCAL_VECTORISER = f"words and their n-grams, {DIMENSIONS} dimensions (local, version 1)"

# Every finding is about an assistant that answers a user.
_OF_ANY_FINDING = frozenset(
    "assistant model turn reply response answer user ask say claim present show".split()
)
# Zipf frequencies (common logarithm per thousand million words): of the most frequent, and of one that is not listed.
_MOST_FREQUENT, _UNLISTED = 8.0, 3.0
_WORD = re.compile(r"[^\W\d_]{3,}")


def local_vectors(texts: Sequence[str]) -> np.ndarray:
    """One row of length 1 for each text, float64; a row of zeros for one that has next to nothing in common with others.

    `texts` are distinct and in an order that does not depend on how they were found.
    """
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.preprocessing import normalize

    bags = [" ".join(base_forms(text)) for text in texts]
    if not any(bags):
        return np.zeros((len(texts), 1))
    words = CountVectorizer(tokenizer=str.split, token_pattern=None, binary=True, max_features=MOST_FEATURES)
    counts = words.fit_transform(bags).astype(float)
    weights = [_MOST_FREQUENT - _zipf(word) for word in words.get_feature_names_out()]
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), max_features=MOST_FEATURES, sublinear_tf=True
    )
    parts = [
        normalize(counts @ sparse.diags(weights)),
        CHARACTER_WEIGHT * characters.fit_transform(bags),
    ]
    features = normalize(sparse.hstack(parts).tocsr())
    dimensions = min(DIMENSIONS, *features.shape)
    with np.errstate(invalid="ignore"):  # a single text has no variance to explain
        points = TruncatedSVD(dimensions, random_state=0).fit_transform(features)
    # Of a text whose words are its own the common dimensions hold a remnant, which says nothing of it.
    return unit_length(np.where(np.linalg.norm(points, axis=1, keepdims=True) >= LEAST_COMMON, points, 0.0))


def unit_length(points: np.ndarray) -> np.ndarray:
    """Every row divided by its length; a row of zeros, or of next to nothing, becomes one of zeros."""
    length = np.linalg.norm(points, axis=1, keepdims=True)
    return np.divide(points, length, out=np.zeros_like(points, dtype=float), where=length > 1e-9)


def base_forms(text: str) -> list[str]:
    """The words of a text that say something, in their English base forms."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    forms = (_base_form(word) for word in _WORD.findall(text.lower()) if word not in ENGLISH_STOP_WORDS)
    return [form for form in forms if form not in ENGLISH_STOP_WORDS and form not in _OF_ANY_FINDING]


@lru_cache(maxsize=1 << 16)
def _base_form(word: str) -> str:
    from simplemma import lemmatize

    return lemmatize(word, "en").lower()


def _zipf(word: str) -> float:
    return gazetteer().lexeme(word).word / 2 or _UNLISTED
