"""The section of the study file on the audit for behaviours that the taxonomy does not name."""

from __future__ import annotations

from pydantic import Field

from depsim_dagster.config_sections.values import Name, Section, Text


class EmbeddingsConfig(Section):
    """An endpoint's embeddings of the auditor's descriptions, in place of the local vectoriser."""

    endpoint: Name
    model: Text


class AuditConfig(Section):
    """Candidate and predecessor on the same prefixes, compared for behaviours that the taxonomy does not name."""

    auditor: Name | None = Field(
        None,
        description="one of `grading.graders` of kind llm, whose model is the open-ended auditor; "
        "`grading.default_grader` when absent",
    )
    turns_per_week: int | None = Field(
        1000, ge=1, description="completions of each model that the auditor reads in a week; null takes all"
    )
    conversations: int = Field(
        5, ge=2, description="fewest distinct conversations behind a behaviour before anything of it is shown"
    )
    users: int = Field(
        5,
        ge=2,
        description="fewest distinct users behind it; at least `privacy.k_anonymity` whatever stands here",
    )
    false_discovery: float = Field(
        0.05, gt=0, lt=0.5, description="false-discovery rate at which a difference counts as found"
    )
    max_types: int = Field(
        10, ge=1, description="most unknown types of behaviour that the detectable rate allows for"
    )
    ablation_cases: int = Field(
        25,
        ge=0,
        description="flagged turns of each category that the auditor reads with the category taken out of the taxonomy; "
        "0 asks none",
    )
    embeddings: EmbeddingsConfig | None = None
