"""Who may be sampled: the rules that a user turn meets, in one order, so that the funnel counts each turn once.

A rule is a condition in SQL over one row of `user_turns` with what consent and repeated records say of it. Rules that
look at many turns at once (repeated prompts, the draw) follow these and are in duplicates.py and draw.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from depsim_dagster.config import StudyConfig
from depsim_dagster.config_sections import ConsentConfig, PrefixSourceConfig
from depsim_dagster.duckdb_sql import literal
from depsim_dagster.traffic.consent_standing import CONSENT_RULES
from depsim_dagster.traffic.prefix_sources import (
    CHALLENGING_PROMPTS,
    DEPLOYMENT_TRAFFIC,
    EVALUATION_PROMPTS,
    FURTHER_SOURCES,
)

# Rules over many turns, after those of a single turn; `sampled` is what is left.
JOINT_RULES = (
    "repeated_prompt",
    "near_duplicate",
    "other_turn_of_conversation",
    "user_cap",
    "not_sampled",
    "sampled",
)
# Always in the funnel, also with a zero.
SHOWN_RULES = ("not_sampled", "sampled")


@dataclass(frozen=True)
class PrefixSource:
    """Where prefixes come from, with its own consent and the number of turns that a week takes of it (None: all)."""

    name: str
    consent: ConsentConfig
    turns: int | None

    @property
    def is_traffic(self) -> bool:
        return self.name == DEPLOYMENT_TRAFFIC

    @property
    def last_turns_only(self) -> bool:
        """Whether the last user turn of each conversation is the one that counts."""
        return self.name in (CHALLENGING_PROMPTS, EVALUATION_PROMPTS)


def prefix_sources(study: StudyConfig) -> list[PrefixSource]:
    """The deployments' own traffic first, then the further sources that the study has."""
    traffic = study.traffic
    sources = [PrefixSource(DEPLOYMENT_TRAFFIC, traffic.consent, study.sampling.turns_per_week)]
    for name in FURTHER_SOURCES:
        further: PrefixSourceConfig | None = getattr(traffic, name)
        if further is not None:
            sources.append(PrefixSource(name, further.consent, further.prompts_per_week))
    return sources


def turn_rules(study: StudyConfig, source: PrefixSource) -> list[tuple[str, str]]:
    """(rule, SQL condition under which it excludes a turn), in the order in which they are asked.

    Over the columns of `user_turns` with `repetition`, `erased` and, where consent is asked for, those of
    consent_standing.py and `unconsented_turn` (the first turn of the record without consent); parameters $as_of and
    $latest. Only rules that the study's settings turn on.
    """
    exclude = study.sampling.exclude
    models = ", ".join(literal(deployment.model) for deployment in study.deployments)
    known_class = "account_class in ('consumer', 'employee', 'enterprise')"
    asked = source.consent.public_corpus is None
    rules = [
        # A baseline was answered by anybody, or by nobody yet.
        (source.is_traffic, "unknown_deployment", f"model is null or model not in ({models})"),
        (True, "malformed_record", "malformed"),
        (True, "duplicate_conversation", "repetition = 'duplicate_conversation'"),
        (True, "exported_twice", "repetition = 'exported_twice'"),
        # Of a challenging prompt it is the last user turn on which earlier models failed; of an evaluation, what it asks.
        (source.last_turns_only, "not_last_turn", "not last_turn"),
        (source.is_traffic, "no_assistant_turn", "not answered"),
        (True, "empty_prefix", "wordless"),
        (exclude.temporary_chats, "temporary_chat", "temporary"),
        (exclude.temporary_chats, "unknown_temporary", "temporary is null"),
        (exclude.employees, "employee", "account_class = 'employee'"),
        (exclude.enterprise, "enterprise", "account_class = 'enterprise'"),
        (exclude.employees or exclude.enterprise, "unknown_account_class", f"not ({known_class})"),
        (exclude.api, "api", "surface = 'api'"),
        (exclude.api, "unknown_surface", "surface <> 'chat'"),
        (exclude.attachments, "attachment", "has_attachment"),
        (exclude.images, "image", "has_image"),
        (True, "erased", "erased"),
        (True, "future_time", "sent_at > $latest"),
        *((asked, rule, condition) for rule, condition in CONSENT_RULES),
        # What the user said before stands in the prefix too.
        (asked, "consent_not_held_earlier", "turn_index > unconsented_turn"),
    ]
    return [(rule, condition) for on, rule, condition in rules if on]


def rule_order(study: StudyConfig, source: PrefixSource) -> list[str]:
    """Every step of the funnel of a source, in its order."""
    return [rule for rule, _ in turn_rules(study, source)] + list(JOINT_RULES)
