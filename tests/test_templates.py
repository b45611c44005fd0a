"""The template of an own study: what it explains in comments is accepted by the study file as it stands there."""

import re

import yaml

from depsim_dagster.config import load_study
from depsim_dagster.config_sections import (
    AuditConfig,
    AwarenessConfig,
    BatchConfig,
    BudgetConfig,
    DeidentificationConfig,
    EmbeddingsConfig,
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
from depsim_dagster.study import Study
from depsim_dagster.templates import DEMO_TEMPLATE, TEMPLATES

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
    assert (
        traffic.evaluation_prompts.format == "prompts" and traffic.evaluation_prompts.prompts_per_week == 200
    )
    assert study.audit.embeddings == EmbeddingsConfig(endpoint="grader", model="embedder-1")
    assert study.replay.parameters == {"reasoning_effort": "low"} and len(study.budget.prices) == 4


def test_without_its_comments_it_asks_for_what_is_the_default():
    study = load_study(TEMPLATE)
    assert study.sampling == SamplingConfig() and study.privacy == PrivacyConfig()
    assert study.deidentification == DeidentificationConfig()
    assert study.awareness == AwarenessConfig() and study.audit == AuditConfig()
    assert study.replay == ReplayConfig() and study.budget == BudgetConfig()


def test_every_key_of_these_sections_is_named():
    text = TEMPLATE.read_text(encoding="utf-8")
    for section in (
        *(TrafficConfig, SamplingConfig, DeidentificationConfig, PrivacyConfig, EndpointConfig, BatchConfig),
        *(LimitsConfig, ReplayConfig, GradingConfig, GraderConfig, ScreenConfig, BudgetConfig, PriceConfig),
        *(EstimationConfig, ShiftConfig, WindowsConfig, AwarenessConfig, AuditConfig, EmbeddingsConfig),
    ):
        for key in section.model_fields:
            assert re.search(rf"\b{key}:", text) or key in ("recorded", "reason", "world"), (
                section.__name__,
                key,
            )


def test_what_the_demo_examines_is_no_part_of_its_measurement_stack(tmp_path, monkeypatch):
    """Its forecasts are comparable with those of demos that examined nothing."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a key of these tests, long enough")
    raw = yaml.safe_load(DEMO_TEMPLATE.read_text(encoding="utf-8"))
    assert raw["awareness"] and raw["audit"] and raw["traffic"]["evaluation_prompts"]
    hashes = set()
    for left_out in ((), ("awareness", "audit")):
        file = tmp_path / f"study{len(left_out)}.yaml"
        written = {key: value for key, value in raw.items() if key not in left_out}
        if left_out:
            written["traffic"] = {k: v for k, v in raw["traffic"].items() if k != "evaluation_prompts"}
        file.write_text(yaml.safe_dump(written))
        hashes.add(Study(load_study(file)).stack_hash)
    assert len(hashes) == 1
