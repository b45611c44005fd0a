"""What the values of the study file may look like, and the base of its sections.

Values are taken as YAML gives them: `yes` is no number, and a number is no date.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

WEEK = dt.timedelta(days=7)


def _spelled(pattern: str, accepted: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"accepted: {accepted}")
        return value

    return AfterValidator(check)


# `|` separates the dimensions of a Dagster multi-partition key, and control characters have no place in a path.
ModelName = Annotated[
    str,
    _spelled(
        r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}",
        "letters, digits and . _ : @ / + - (a letter or digit first, at most 128 characters)",
    ),
]
Name = Annotated[
    str,
    _spelled(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "letters, digits and . _ - (a letter or digit first, at most 64 characters)",
    ),
]
EnvironmentKey = Annotated[
    str,
    _spelled(
        r"[A-Z_][A-Z0-9_]*",
        "the name of an environment variable (capital letters, digits and _), not the secret itself",
    ),
]
Reason = Annotated[str, StringConstraints(min_length=10)]
Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


def _not_a_number(value: Any) -> Any:
    if isinstance(value, int | float):  # it would be read as seconds since 1970
        raise ValueError("accepted: a date such as 2026-01-05")
    return value


def _midnight(value: Any) -> Any:
    """A release that is given as a day happens when the day begins (UTC)."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = dt.date.fromisoformat(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time(), dt.UTC)
    return value


def _zoned(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        raise ValueError(
            "a time needs a zone, for example 2026-01-26T15:00:00Z; a day alone begins at 00:00 UTC"
        )
    return moment.astimezone(dt.UTC)


def _monday(day: dt.date) -> dt.date:
    if day.weekday() != 0:
        before = day - dt.timedelta(days=day.weekday())
        raise ValueError(f"weeks start on Monday (UTC); use {before} or {before + WEEK}")
    return day


Day = Annotated[dt.date, Field(strict=False), BeforeValidator(_not_a_number)]
Moment = Annotated[dt.datetime, Field(strict=False), BeforeValidator(_not_a_number)]
Monday = Annotated[Day, AfterValidator(_monday)]
ReleaseTime = Annotated[
    dt.datetime,
    Field(strict=False),
    BeforeValidator(_midnight),
    BeforeValidator(_not_a_number),
    AfterValidator(_zoned),
]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def _only_keys_of(self, selector: str, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Demand the keys of the chosen kind and refuse those of another kind, which would silently do nothing."""
        kind = getattr(self, selector)
        given = {key for names in keys.values() for key in names if getattr(self, key) not in (None, ())}
        problems = [f"{selector} `{kind}` needs the key `{key}`" for key in keys[kind] if key not in given]
        problems += [
            f"{selector} `{kind}` has no key `{key}`; it belongs to {selector} `{owner}`"
            for owner, names in keys.items()
            for key in names
            if key in given and key not in keys[kind]
        ]
        if problems:
            raise ValueError("\n".join(problems))
