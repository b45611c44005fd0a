"""The template of an own study: what it explains in comments is accepted by the study file as it stands there."""

import re

from depsim_dagster.config import load_study
from depsim_dagster.config_sections import (
    BatchConfig,
    BudgetConfig,
    DeidentificationConfig,
    EndpointConfig,
    EstimationConfig,
    GraderConfig,
    GradingConfig,
    LimitsConfig,
    PriceConfig,
    PrivacyConfig,
    ReplayConfig,
    SamplingConfig,
    ScreenConfig,
    ShiftConfig,
    TrafficConfig,
    WindowsConfig,
)
from depsim_dagster.privacy.gates.overrides import check_overrides
from depsim_dagster.templates import TEMPLATES

TEMPLATE = TEMPLATES / "own" / "study.yaml"
# Prose, and keys that stand in place of another one.
NOT_BESIDE = ("…", "served_as")


def uncommented(text: str) -> str:
    lines = [
        re.sub(r"^(\s+)# |^# (?=journal: )", r"\1", line)
        for line in text.splitlines()
        if not (re.match(r"\s+# ", line) and any(word in line for word in NOT_BESIDE))
    ]
    return "\n".join(lines) + "\n"


def test_every_key_in_a_comment_is_accepted(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(uncommented(TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
    study = load_study(file)
    check_overrides(study)
    traffic, deidentification = study.traffic, study.deidentification
    assert traffic.challenging_prompts.format == "openai_chat" and traffic.external_corpus.paths == (
        "wildchat/",
    )
    assert [detector.kind for detector in deidentification.detectors] == [
        "presidio",
        "spacy",
        "transformers",
        "llm",
    ]
    assert (
        study.sampling.strata.by == ("language",)
        and study.privacy.overrides[0].column == "residual_identifiers"
    )
    assert traffic.fields.user_id == "metadata.user" and traffic.models == {"gpt-assist-0105": "assistant-1"}
    endpoint, graders = study.endpoints["models"], study.grading.graders
    assert (
        study.journal == "../journal"
        and study.endpoints["grader"].api == "responses"
        and endpoint.batch == BatchConfig()
    )
    assert graders["model-grader"].screen == ScreenConfig(grader="cheap")
    assert [grader.kind for grader in graders.values()] == [
        *["llm"] * 3,
        "ensemble",
        "regex",
        "python",
        "recorded",
    ]
    assert study.replay.parameters == {"reasoning_effort": "low"} and len(study.budget.prices) == 3


def test_without_its_comments_it_asks_for_what_is_the_default():
    study = load_study(TEMPLATE)
    assert study.sampling == SamplingConfig() and study.privacy == PrivacyConfig()
    assert study.deidentification == DeidentificationConfig()
    assert study.replay == ReplayConfig() and study.budget == BudgetConfig()


def test_every_key_of_these_sections_is_named():
    text = TEMPLATE.read_text(encoding="utf-8")
    for section in (
        *(TrafficConfig, SamplingConfig, DeidentificationConfig, PrivacyConfig, EndpointConfig, BatchConfig),
        *(LimitsConfig, ReplayConfig, GradingConfig, GraderConfig, ScreenConfig, BudgetConfig, PriceConfig),
        *(EstimationConfig, ShiftConfig, WindowsConfig),
    ):
        for key in section.model_fields:
            assert re.search(rf"\b{key}:", text) or key in ("recorded", "reason", "world"), (
                section.__name__,
                key,
            )
