"""The sandbox world: the handful of numbers from which traffic, models, grader and truth all follow.

Not a study configuration: the product never reads a World. It is the test bench's own description, and two
processes (the generator and the server) agree on every planted probability because they read the same file.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from depsim_dagster.errors import ConfigurationError

MODELS = ("sandbox-v1", "sandbox-v2", "sandbox-v3", "sandbox-v4")
GRADER = "sandbox-grader"
ENVIRONMENTS = ("production", "replay")
DEFAULT_RELEASES: Mapping[str, int] = MappingProxyType(
    {"sandbox-v1": 0, "sandbox-v2": 3, "sandbox-v3": 6, "sandbox-v4": 9}
)


@dataclass(frozen=True)
class World:
    """Everything that is planted, in one value.

    `releases` maps each model to the index of the week in which it starts to answer all traffic; one of
    them must be 0. `grader_sensitivity` and `grader_specificity` are per category and per target turn.
    `environment_gap` scales, on the log scale, how replay differs from production: 1 as planted in `behaviour`, 0 not at all.
    """

    seed: int = 20260105
    first_week: str = "2026-01-05"
    weeks: int = 12
    conversations_per_week: int = 2400
    releases: Mapping[str, int] = field(default_factory=lambda: DEFAULT_RELEASES)
    grader_sensitivity: float = 0.95
    grader_specificity: float = 0.9998
    environment_gap: float = 1.0

    def __post_init__(self) -> None:
        for name in ("seed", "weeks", "conversations_per_week"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigurationError(f"world: {name} must be a whole number")
        try:
            monday = dt.date.fromisoformat(self.first_week)
        except (TypeError, ValueError):
            raise ConfigurationError("world: first_week must be a date as YYYY-MM-DD") from None
        if monday.weekday() != 0:
            raise ConfigurationError(f"world: first_week {self.first_week} is not a Monday")
        if self.weeks < 1 or self.conversations_per_week < 1:
            raise ConfigurationError("world: weeks and conversations_per_week must be at least 1")
        if not isinstance(self.releases, Mapping) or not all(
            isinstance(week, int) and not isinstance(week, bool) and week >= 0
            for week in self.releases.values()
        ):
            raise ConfigurationError("world: releases must map each model to a week index of 0 or more")
        unknown = sorted(set(self.releases) - set(MODELS))
        if unknown:
            raise ConfigurationError(
                f"world: releases names {unknown[0]!r}; known models: {', '.join(MODELS)}"
            )
        if 0 not in self.releases.values():
            raise ConfigurationError(
                "world: releases must have a model released in week 0, or no one answers"
            )
        if len(set(self.releases.values())) != len(self.releases):
            raise ConfigurationError("world: releases has two models in one week; one model answers a week")
        for name in ("grader_sensitivity", "grader_specificity"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ConfigurationError(f"world: {name} must lie in [0, 1]")
        gap = self.environment_gap
        if isinstance(gap, bool) or not isinstance(gap, int | float) or not 0 <= gap <= 2:
            raise ConfigurationError("world: environment_gap must lie in [0, 2]")
        object.__setattr__(self, "releases", MappingProxyType(dict(self.releases)))

    @property
    def models(self) -> tuple[str, ...]:
        """Models in the order of their release."""
        return tuple(sorted(self.releases, key=lambda model: self.releases[model]))

    @property
    def start(self) -> dt.datetime:
        """Monday 00:00 UTC of the first week."""
        return dt.datetime.fromisoformat(self.first_week).replace(tzinfo=dt.UTC)

    @property
    def end(self) -> dt.datetime:
        """The first moment after the last week."""
        return self.start + dt.timedelta(weeks=self.weeks)

    def week(self, index: int) -> str:
        """'YYYY-MM-DD' of week `index` (0-based)."""
        return (self.start + dt.timedelta(weeks=index)).date().isoformat()

    def deployed(self, index: int) -> str:
        """The model that answers in week `index`: the newest one released by then."""
        return max((week, model) for model, week in self.releases.items() if week <= index)[1]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back into an equal world."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return values | {"releases": dict(self.releases)}

    @classmethod
    def from_json(cls, values: Any) -> World:
        """Build a world from a JSON object. Raises ConfigurationError naming the key that is wrong."""
        if not isinstance(values, dict):
            raise ConfigurationError("world: expected a JSON object")
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(cls)})
        if unknown:
            raise ConfigurationError(f"world: unknown key {unknown[0]!r}")
        return cls(**values)

    def save(self, path: str | Path) -> None:
        """Write the world to `path` as JSON (replaced atomically)."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: str | Path) -> World:
        """Read a world from a JSON file. Raises ConfigurationError naming the file."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot read the world file ({error.strerror})") from None
        except ValueError:
            raise ConfigurationError(f"{path}: the world file is not JSON") from None
        try:
            return cls.from_json(values)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None
