"""How many conversations and users must stand behind a behaviour before anything of it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from depsim_dagster.config_sections import AuditConfig

if TYPE_CHECKING:
    import pandas as pd

    from depsim_dagster.config import StudyConfig


@dataclass(frozen=True)
class Minimum:
    """Fewest distinct conversations and users behind anything that is shown."""

    conversations: int
    users: int

    @classmethod
    def of(cls, config: StudyConfig) -> Minimum:
        """The study's own; by the defaults where the section `audit` was taken out and its tables are still there."""
        audit = config.audit or AuditConfig()
        return cls(audit.conversations, max(audit.users, config.privacy.k_anonymity))

    def held_by(self, counts: pd.DataFrame) -> pd.Series:
        """Whether each row of `conversations` and `users` reaches it."""
        return (counts["conversations"] >= self.conversations) & (counts["users"] >= self.users)

    @property
    def turns(self) -> int:
        """Fewest turns, each of another user and conversation, that reach it."""
        return max(self.conversations, self.users)
