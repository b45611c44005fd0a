"""How much of the labelled set the de-identification removes, and how much of what is nobody's it changes."""

from collections import Counter

import pytest
from labelled_messages import LOCALES, labelled_messages, whole_set

from depsim_dagster.privacy.deidentify import deidentify_text
from depsim_dagster.privacy.scoring.label_names import OUR_TYPES
from depsim_dagster.privacy.scoring.score import Score, score

KEY = b"the key of this test, 32 bytes or so"

STRUCTURED = (
    "email",
    "phone",
    "card",
    "iban",
    "national_id",
    "ip_address",
    "url_with_credentials",
    "api_key",
    "account_number",
)
PLACES_AND_BIRTHS = ("street_address", "postal_code", "birth_date")
IMPERSONAL = ("code", "maths", "json", "version")


@pytest.fixture(scope="module")
def result() -> Score:
    return score(whole_set(), lambda text: deidentify_text(text, KEY))


def test_the_set_is_as_large_and_as_mixed_as_it_must_be():
    messages = list(labelled_messages())
    types = Counter(span.type for message in messages for span in message.spans)
    assert sum(types.values()) >= 5000
    assert len([type_ for type_, count in types.items() if count >= 20]) >= 18
    assert set(types) <= OUR_TYPES
    assert len({message.language for message in messages}) == len(LOCALES) >= 10
    for message in messages:
        assert all(0 <= span.start < span.end <= len(message.text) for span in message.spans)


def test_the_set_is_the_same_again_and_another_with_another_seed():
    first, again = (list(labelled_messages(7, per_locale=10)) for _ in range(2))
    assert first == again != list(labelled_messages(8, per_locale=10))


@pytest.mark.parametrize("type_", STRUCTURED)
def test_structured_details_are_removed(result, type_):
    assert result.by_type[type_].recall >= 0.99


@pytest.mark.parametrize("type_", PLACES_AND_BIRTHS)
def test_addresses_and_birth_dates_are_removed(result, type_):
    assert result.by_type[type_].recall >= 0.95


def test_names_are_removed(result):
    assert result.by_type["person"].recall >= 0.90


@pytest.mark.parametrize("locale", LOCALES)
def test_names_of_every_locale_are_removed(result, locale):
    assert result.by_type_and_language[("person", locale)].recall >= 0.80


@pytest.mark.parametrize("kind", IMPERSONAL)
def test_what_is_nobodys_stays(result, kind):
    assert result.over_redaction[kind].share <= 0.01
