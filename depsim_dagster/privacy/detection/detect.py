"""Detection of personal details in chat text by pattern, checksum, context and gazetteer; no model.

Families of recognisers look at one text (chat_text.py): each is a module of this package, says what must be there
before it looks, and yields spans. Overlaps are settled in favour of the longer span, then of the family that is listed
first. A disguised text is read in its plain shadow (unicode_folding.py). Every repetition is bounded: a conversation
cannot make a pattern run for minutes. What this is not: the gate's residual scan, which is a second and independent
implementation (privacy/gates/residual.py), so that one mistake does not blind both. Whatever that one reports must be found
here too, or one turn would stop its week.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from depsim_dagster.privacy.detection.addresses import find_addresses, find_towns
from depsim_dagster.privacy.detection.asian_names import find_asian_names
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.dates import find_dates
from depsim_dagster.privacy.detection.identifier_spans import FRAGMENT, IdentifierSpan
from depsim_dagster.privacy.detection.labelled_numbers import find_labelled_numbers
from depsim_dagster.privacy.detection.names import find_names
from depsim_dagster.privacy.detection.national_ids import find_national_ids
from depsim_dagster.privacy.detection.network_addresses import find_network_addresses
from depsim_dagster.privacy.detection.organisations import find_organisations
from depsim_dagster.privacy.detection.payments import find_payments
from depsim_dagster.privacy.detection.phones import find_phones
from depsim_dagster.privacy.detection.secrets import find_secrets
from depsim_dagster.privacy.detection.spelled_out import find_spelled_out
from depsim_dagster.privacy.detection.tables import find_table_cells
from depsim_dagster.privacy.detection.unicode_folding import fold
from depsim_dagster.privacy.detection.unlabelled_codes import find_unlabelled_codes

__all__ = ["FRAGMENT", "IdentifierSpan", "find_identifiers", "find_split_identifiers"]

Family = Callable[[ChatText], Iterator[IdentifierSpan]]
# In the order of who wins among spans of one length.
FAMILIES: tuple[Family, ...] = (
    find_secrets,
    find_network_addresses,
    find_payments,
    find_national_ids,
    find_labelled_numbers,
    find_phones,
    find_spelled_out,
    find_dates,
    find_table_cells,
    find_addresses,
    find_asian_names,
    find_organisations,
)
# Details after which a text is known to speak of a person.
_TELLING = frozenset(
    "email phone national_id card iban bank_account passport driver_licence medical_record account_number"
    " street_address birth_date username".split()
)


def find_identifiers(text: str, language: str | None = None) -> list[IdentifierSpan]:
    """Non-overlapping spans of personal details, in the order of the text.

    `language` is the text's, where it is known; it only decides which countries' ways of writing numbers to expect. What
    a conversation repeats is found elsewhere (privacy/surrogates/repeats.py).
    """
    candidates = _candidates(text, language)
    if not candidates:
        return []
    occupied = bytearray(len(text))
    taken = []
    for span, _ in sorted(candidates, key=_precedence):
        free = _free(span, text, occupied)
        if free is not None:
            occupied[free.start : free.end] = b"\1" * (free.end - free.start)
            taken.append(free)
    return sorted(taken, key=lambda span: span.start)


def find_split_identifiers(texts: Sequence[str]) -> list[list[IdentifierSpan]]:
    """Details that only appear when consecutive messages of one author are read together; per text its spans."""
    from depsim_dagster.privacy.detection.split_identifiers import find_split

    return find_split(texts, find_identifiers)


def _candidates(text: str, language: str | None) -> list[tuple[IdentifierSpan, int]]:
    shadow = fold(text)
    chat = ChatText(_unescaped(shadow.text if shadow else text), language)
    found = [(span, rank) for rank, family in enumerate(FAMILIES) for span in family(chat)]
    telling = any(span.type in _TELLING for span, _ in found)
    names = [(span, len(FAMILIES)) for span in find_names(chat, telling)]
    found += names
    if telling or names:
        found += [(span, len(FAMILIES)) for span in find_towns(chat)]
    if telling:
        found += [(span, len(FAMILIES) + 1) for span in find_unlabelled_codes(chat)]
    if shadow is not None:
        return [
            (IdentifierSpan(span.type, *shadow.original(span.start, span.end)), rank) for span, rank in found
        ]
    return found


def _precedence(candidate: tuple[IdentifierSpan, int]) -> tuple[int, int, int, str]:
    """The longer span first, then the family; the type last, so that nothing depends on the order of a set."""
    span, rank = candidate
    return span.start - span.end, rank, span.start, span.type


def _unescaped(text: str) -> str:
    """Line ends and tabs that were pasted as `\\n`, `\\t` as what they are, at the same offsets."""
    if "\\" not in text:
        return text
    return text.replace("\\n", " \n").replace("\\t", "  ").replace("\\r", "  ")


def _free(span: IdentifierSpan, text: str, occupied: bytearray) -> IdentifierSpan | None:
    """The span; of one that a longer detail overlaps, what is left of it, which still says something of a person."""
    start = occupied.find(0, span.start, span.end)
    if start < 0:
        return None
    end = occupied.find(1, start, span.end)
    end = span.end if end < 0 else end
    if (start, end) == (span.start, span.end):
        return span
    rest = any(character.isascii() and character.isalnum() for character in text[start:end])
    return IdentifierSpan(FRAGMENT, start, end) if rest else None
