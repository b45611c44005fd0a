"""Times as logs write them, as microseconds since 1970 (UTC)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from depsim_dagster.traffic.records import Refused

SECOND = 1_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# What a log says of a time before is a zero or a broken clock.
EARLIEST = (dt.datetime(2000, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND


def moment(value: Any, field: str, naive_is_utc: bool = False) -> int:
    """A time as a datetime, an ISO 8601 text, or a number of seconds (from 1e11 on: milliseconds) since 1970.

    Raises:
        Refused: `naive_time` where it has no zone and the format promises none, `impossible_time`, `wrong_type`.
    """
    try:
        if isinstance(value, str):
            text = value.strip()
            value = dt.datetime.fromisoformat(text[:-4] + "+00:00" if text.endswith(" UTC") else text)
        if isinstance(value, dt.datetime):
            if value.tzinfo is None:
                if not naive_is_utc:
                    raise Refused("naive_time", field)
                value = value.replace(tzinfo=dt.UTC)
            microseconds = (value - _EPOCH) // _MICROSECOND
        elif isinstance(value, int | float) and not isinstance(value, bool):
            microseconds = round(value * (SECOND if abs(value) < 1e11 else SECOND // 1000))
            _EPOCH + dt.timedelta(microseconds=microseconds)  # overflows where no calendar goes
        else:
            raise Refused("wrong_type", field)
    except (ValueError, OverflowError):
        raise Refused("impossible_time", field) from None
    if microseconds < EARLIEST:
        raise Refused("impossible_time", field)
    return microseconds


def microseconds(value: dt.datetime) -> int:
    """A time with a zone, in microseconds since 1970."""
    return (value - _EPOCH) // _MICROSECOND


def moment_of(microseconds: int) -> dt.datetime:
    """The time of so many microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=microseconds)
