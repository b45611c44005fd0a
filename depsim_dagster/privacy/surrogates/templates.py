"""How each type of personal detail is taken apart: what is public by itself stays, the rest is drawn.

What stays is punctuation and words that belong to everybody (`Street`, `Ltd`, a top-level domain, the scheme of a key).
Punctuation never changes place: inside of JSON, code or a table, the text around a surrogate means what it meant.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping

from depsim_dagster.privacy.surrogates import accounts, identifiers, networks, places, secrets
from depsim_dagster.privacy.surrogates.dates import read_date
from depsim_dagster.privacy.surrogates.names import name_template
from depsim_dagster.privacy.surrogates.shapes import Shape, shape_of, visible
from depsim_dagster.privacy.surrogates.slots import Slot, Template, plain


def template_of(
    type_: str, original: str, language: str | None = None, roles: Mapping[str, str] | None = None
) -> Template:
    """What stays of an original and what is drawn. `roles` as in surrogate_names.name_template."""
    if type_ == "person":
        return name_template(original, language, roles or {})
    return _READERS.get(type_, plain)(type_, original, language)


def _date(type_: str, original: str, language: str | None) -> Template:
    read = read_date(original)
    if read is None:
        return plain(type_, original, language)
    shape = Shape(type_, variant=_known_of(type_, read.known))
    return [Slot(shape, f"date:{read.identity}", lambda drawn: read.write(dt.date.fromisoformat(drawn)))]


def _known_of(type_: str, known: str) -> str:
    """Of a birth date only the decade, as long as that decade is over."""
    year, rest = known.split(":", 1)
    if type_ != "birth_date" or not year.isdigit() or int(year) >= 2020:
        return known
    return f"{int(year) // 10 * 10}:{rest}"


def _age(type_: str, original: str, language: str | None) -> Template:
    text = visible(original)
    match = re.search(r"\d{2,3}", text)
    if match is None:
        return plain(type_, original, language)
    slot = Slot(shape_of(match.group(), "age"), f"{type_}:{match.group()}")
    return [text[: match.start()], slot, text[match.end() :]]


_READERS: dict[str, Callable[[str, str, str | None], Template]] = {
    "age": _age,
    "api_key": secrets.key,
    "bank_account": identifiers.bank_account,
    "birth_date": _date,
    "card": identifiers.card,
    "connection_string": accounts.connection,
    "crypto_wallet": identifiers.wallet,
    "date": _date,
    "device_id": identifiers.device,
    "email": accounts.mailbox,
    "iban": identifiers.iban,
    "ip_address": networks.network_address,
    "mac_address": networks.hardware_address,
    "medical_record": identifiers.national_id,
    "national_id": identifiers.national_id,
    "organisation": places.organisation,
    "phone": identifiers.phone,
    "place": places.address,
    "private_key": secrets.private_key,
    "street_address": places.address,
    "url": accounts.page,
    "url_with_credentials": accounts.credentials,
    "username": accounts.username,
    "vehicle_id": identifiers.vehicle,
}
