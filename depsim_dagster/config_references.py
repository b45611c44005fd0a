"""How the sections of the study file refer to each other: names that must exist, and what they must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from depsim_dagster.config_sections import (
    SELF,
    AuditConfig,
    AwarenessConfig,
    BudgetConfig,
    DeidentificationConfig,
    DeploymentConfig,
    EndpointConfig,
    GradingConfig,
    Name,
)

Deployments = tuple[DeploymentConfig, ...]
Endpoints = dict[Name, EndpointConfig]


def reference_problems(
    deployments: Sequence[DeploymentConfig],
    endpoints: Mapping[str, EndpointConfig] | None,
    grading: GradingConfig | None,
    deidentification: DeidentificationConfig | None,
    budget: BudgetConfig | None,
    awareness: AwarenessConfig | None = None,
    audit: AuditConfig | None = None,
) -> list[str]:
    """What is named and is not there. None stands for a section that could not be read."""
    problems = []

    def check(key: str, name: str | None, accepted: Mapping[str, Any] | None) -> None:
        if name is not None and accepted is not None and name not in accepted:
            problems.append(f"{key}: `{name}` is not one of {', '.join(sorted(accepted))}")

    known: dict[str, DeploymentConfig] = {}
    for deployment in deployments:
        if deployment.model in known:
            problems.append(
                f"deployments: `{deployment.model}` is listed twice; every `model` must be unique"
            )
        known[deployment.model] = deployment
    for deployment in deployments:
        where = f"deployments.{deployment.model}"
        check(f"{where}.endpoint", deployment.endpoint, endpoints)
        served_by = (endpoints or {}).get(deployment.endpoint)
        if served_by is not None and served_by.api == "decisions":
            problems.append(
                f"{where}.endpoint: `{deployment.endpoint}` speaks the Decisions API, which writes no turn"
            )
        check(f"{where}.predecessor", deployment.predecessor, known)
        before = known.get(deployment.predecessor or "")
        # This also refuses a deployment that is its own predecessor, and every longer cycle.
        if before is not None and before.released >= deployment.released:
            problems.append(
                f"{where}.predecessor: `{before.model}` was released on {before.released:%Y-%m-%d %H:%M}, which is not before "
                f"{deployment.released:%Y-%m-%d %H:%M}; name a model that was released earlier, or correct `released`"
            )
    if grading is not None:
        for name, grader in grading.graders.items():
            where = f"grading.graders.{name}"
            check(f"{where}.endpoint", grader.endpoint, endpoints)
            named = (endpoints or {}).get(grader.endpoint or "")
            if named is not None and named.api == "decisions" and grader.max_tokens is not None:
                problems.append(
                    f"{where}.max_tokens: the Decisions API writes no text that could have a limit"
                )
            flags = grader.kind == "llm" and grader.verdict == "flag"
            if (
                flags
                and "threshold" in grader.model_fields_set
                and named is not None
                and named.api != "decisions"
            ):
                problems.append(
                    f"{where}.threshold: a verdict `flag` has no probability that could reach it; set `verdict` to `probability`"
                )
            for member in grader.members:
                check(f"{where}.members", member, grading.graders)
            if grader.screen is not None:
                check(f"{where}.screen.grader", grader.screen.grader, grading.graders)
            below = [*grader.members, *([grader.screen.grader] if grader.screen is not None else [])]
            for other in below:
                named = grading.graders.get(other)
                if named is not None and (
                    other == name or named.kind == "ensemble" or named.screen is not None
                ):
                    problems.append(
                        f"{where}: `{other}` must be a grader without members and screen of its own"
                    )
        check("grading.default_grader", grading.default_grader, grading.graders)
    if awareness is not None and SELF in awareness.detectors:
        for deployment in deployments:
            served_by = (endpoints or {}).get(deployment.endpoint)
            if served_by is not None and served_by.kind == "recorded":
                problems.append(
                    f"awareness.detectors: `{SELF}` asks `{deployment.model}`, of which there are recorded answers only; name "
                    "graders in place of it"
                )
    if grading is not None:
        problems += _examiner_problems(grading, endpoints, awareness, audit)
    for place, detector in enumerate(deidentification.detectors if deidentification is not None else ()):
        check(f"deidentification.detectors.{place}.endpoint", detector.endpoint, endpoints)
    if budget is not None and budget.money is not None:
        asked = {deployment.served_model for deployment in deployments}
        for part in (
            *(grading.graders.values() if grading is not None else ()),
            *(deidentification.detectors if deidentification is not None else ()),
            *((audit.embeddings,) if audit is not None and audit.embeddings is not None else ()),
        ):
            if part.endpoint is not None and part.model is not None:
                asked.add(part.model)
        if unpriced := sorted(asked - set(budget.prices)):
            problems.append(
                f"budget.prices: no price for {', '.join(f'`{model}`' for model in unpriced)}, and budget.money is set; "
                "give a price (0 for one that costs nothing), or take budget.money out"
            )
    return problems


def _examiner_problems(
    grading: GradingConfig,
    endpoints: Mapping[str, EndpointConfig] | None,
    awareness: AwarenessConfig | None,
    audit: AuditConfig | None,
) -> list[str]:
    """Who examines evaluation awareness and novel behaviours must be one of the graders, and of a kind that can."""
    problems = []
    known = ", ".join(sorted(grading.graders))

    def examiner(key: str, name: str | None) -> None:
        if name is None:
            problems.append(f"{key}: name one of {known}; the study has no grading.default_grader")
        elif name not in grading.graders:
            problems.append(f"{key}: `{name}` is not one of {known}")

    if awareness is not None:
        for detector in awareness.detectors:
            if detector != SELF:
                examiner("awareness.detectors", detector)
        if SELF in grading.graders and SELF in awareness.detectors:
            problems.append(
                f"awareness.detectors: `{SELF}` is the model itself; give the grader of this name another"
            )
        examiner("awareness.monitor", awareness.monitor or grading.default_grader)
    if audit is not None:
        name = audit.auditor or grading.default_grader
        examiner("audit.auditor", name)
        auditor = grading.graders.get(name or "")
        served_by = (endpoints or {}).get((auditor.endpoint if auditor is not None else None) or "")
        if auditor is not None and auditor.kind != "llm":
            problems.append(
                f"audit.auditor: `{name}` is of kind {auditor.kind}, which describes nothing; name one of kind llm"
            )
        elif served_by is not None and served_by.api == "decisions":
            problems.append(
                f"audit.auditor: `{name}` speaks the Decisions API, which describes nothing; name another of kind llm"
            )
        if (
            audit.embeddings is not None
            and endpoints is not None
            and audit.embeddings.endpoint not in endpoints
        ):
            problems.append(
                f"audit.embeddings.endpoint: `{audit.embeddings.endpoint}` is not one of {', '.join(sorted(endpoints))}"
            )
    return problems


def readable_reference_problems(raw: Mapping[Any, Any]) -> list[str]:
    """Reference problems among those sections of an otherwise wrong file that can be read."""

    def section(name: str, type_: Any) -> Any:
        try:
            return TypeAdapter(type_).validate_python(raw.get(name))
        except ValidationError:
            return None

    return reference_problems(
        section("deployments", Deployments) or (),
        section("endpoints", Endpoints),
        section("grading", GradingConfig),
        section("deidentification", DeidentificationConfig),
        section("budget", BudgetConfig),
        section("awareness", AwarenessConfig),
        section("audit", AuditConfig),
    )
