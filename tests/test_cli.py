"""The command line around the study: help, templates, errors without stack traces."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_study import SMALL_STUDY, write_study

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.grading.taxonomy import load_taxonomy


def depsim(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("demo",),
        ("study",),
        ("study", "run"),
        ("study", "plan"),
        ("sandbox",),
        ("privacy",),
        ("privacy", "score"),
        ("audit",),
        *(("audit", command) for command in ("list", "show", "accept", "reject", "merge", "adopt")),
        ("doctor",),
        ("ui",),
    ],
)
def test_every_command_explains_itself(command):
    result = depsim(*command, "--help")
    assert result.exit_code == 0 and "Usage:" in result.output


def test_own_template_is_a_valid_study(tmp_path):
    result = depsim("study", "init", tmp_path / "mine")
    assert result.exit_code == 0
    config = load_study(tmp_path / "mine" / "study.yaml")
    assert [candidate.model for candidate in config.candidates] == ["assistant-2"]
    assert len(load_taxonomy(config).categories) == 20


def test_template_never_overwrites(tmp_path):
    assert depsim("study", "init", tmp_path).exit_code == 0
    (tmp_path / "study.yaml").write_text("mine", encoding="utf-8")
    again = depsim("study", "init", tmp_path)
    assert again.exit_code == 1 and "is there already" in again.output
    assert (tmp_path / "study.yaml").read_text(encoding="utf-8") == "mine"


def test_recorded_template_needs_its_data(tmp_path):
    result = depsim("study", "init", tmp_path, "--template", "llmdrift")
    assert result.exit_code == 1 and "--data" in result.output


def test_recorded_template_names_the_data_folder(tmp_path):
    data = tmp_path / "a folder, with: odd #name"
    data.mkdir()
    assert depsim("study", "init", tmp_path / "s", "--template", "llmdrift", "--data", data).exit_code == 0
    config = load_study(tmp_path / "s" / "study.yaml")
    assert config.traffic.recorded.files == (f"{data}/*_EVAL.csv",)
    assert Path(config.path(config.traffic.recorded.files[0])).parent == data


def test_malformed_study_is_one_error_per_key_and_no_stack_trace(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("version: 1\nname: x\nbogus: 1\nweeks: {first: 2026-01-06}\n", encoding="utf-8")
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1
    errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert any("weeks.first" in line and "2026-01-05" in line for line in errors)
    assert any("bogus: unknown key" in line for line in errors)
    assert "Traceback" not in result.output


def test_status_names_every_partition_and_reads_none_as_markup(finished_study):
    result = depsim("study", "status", "-c", finished_study)
    assert result.exit_code == 0, result.output
    assert "forecast [sandbox-v2]" in result.output and "calibration [sandbox-v2]" in result.output


def test_doctor_finds_a_scope_and_model_names_that_leave_out_all_traffic(tmp_path, small_world):
    consent = {"ledger": "consent.parquet", "scope": "model_improvment"}
    traffic = {**SMALL_STUDY["traffic"], "consent": consent}
    result = depsim("doctor", "-c", write_study(tmp_path / "scope", small_world, traffic=traffic))
    assert result.exit_code == 1
    assert "no decision about `model_improvment`; it has model_improvement" in result.output
    deployments = [{**SMALL_STUDY["deployments"][0], "model": "ours", "served_as": "sandbox-v1"}]
    result = depsim("doctor", "-c", write_study(tmp_path / "name", small_world, deployments=deployments))
    assert result.exit_code == 1
    assert "where the models are sandbox-v1, sandbox-v2;" in result.output


def test_doctor_names_who_examines_and_finds_missing_evaluation_prompts(tmp_path, small_world):
    prompts = {
        "format": "prompts",
        "paths": ["none/*.csv"],
        "consent": {"public_corpus": "prompts of this test"},
    }
    sections = {"awareness": {"detectors": ["self", "sandbox"]}, "audit": {"max_types": 5}}
    traffic = {**SMALL_STUDY["traffic"], "evaluation_prompts": prompts}
    result = depsim("doctor", "-c", write_study(tmp_path, small_world, traffic=traffic, **sections))
    assert (
        result.exit_code == 1
        and "traffic.evaluation_prompts" in result.output
        and "none/*.csv" in result.output
    )
    said = " ".join(result.output.split())
    assert (
        "detector self, sandbox, monitor sandbox, auditor sandbox, local vectoriser, 0 behaviour(s)" in said
    )


def test_doctor_finds_logs_whose_users_or_surface_leave_out_all_traffic(tmp_path, small_world):
    study = write_study(tmp_path, small_world, traffic={**SMALL_STUDY["traffic"], **chat_log(tmp_path)})
    result = depsim("doctor", "-c", study)
    assert result.exit_code == 1
    assert "no turn says its temporary, account_class, surface, and" in result.output
    said = {"defaults": {"account_class": "consumer", "surface": "chat", "temporary": False}}
    traffic = {**SMALL_STUDY["traffic"], **chat_log(tmp_path), **said}
    result = depsim("doctor", "-c", write_study(tmp_path, small_world, traffic=traffic))
    assert result.exit_code == 1
    assert "none of the logs' 1 users is in the consent ledger" in result.output


def test_graders_and_tokenizers_are_tried_before_anything_is_paid_for(tmp_path, small_world):
    graders = {
        "pattern": {"kind": "regex", "pattern": "[a"},
        "rule": {"kind": "python", "function": "graders.py:flags"},
    }
    endpoints = {"sandbox": {**SMALL_STUDY["endpoints"]["sandbox"], "tokenizer": "nowhere.json"}}
    grading = {**SMALL_STUDY["grading"], "graders": {**SMALL_STUDY["grading"]["graders"], **graders}}
    file = write_study(tmp_path, small_world, endpoints=endpoints, grading=grading)
    result = depsim("doctor", "-c", file)
    assert (
        result.exit_code == 1 and "FAILED graders" in result.output and "FAILED tokenizers" in result.output
    )
    for said in (
        "graders.pattern.pattern: not an RE2",
        "graders.rule.function: cannot load",
        "sandbox.tokenizer: ",
    ):
        assert said in result.output
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1 and "graders.pattern.pattern: not an RE2" in result.output
    assert not (tmp_path / "dagster_home").exists()


def chat_log(directory):
    """A log of one call by somebody whom the ledger does not know, as keys of `traffic`."""
    call = {"model": "sandbox-v1", "created": 1767700000, "user": "u-1"}
    call |= {
        "messages": [{"role": "user", "content": "Hello there"}, {"role": "assistant", "content": "Hello"}]
    }
    (directory / "log.jsonl").write_text(json.dumps(call) + "\n")
    return {"format": "openai_chat", "paths": ["log.jsonl"]}


def test_a_study_without_any_eligible_turn_ends_with_an_error_and_one_reason_a_week(tmp_path, small_world):
    consent = {"ledger": "consent.parquet", "scope": "model_improvment"}
    file = write_study(tmp_path, small_world, traffic={**SMALL_STUDY["traffic"], "consent": consent})
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1 and "no forecast could be made" in result.output
    assert result.output.count("week 2026-01-12: no eligible user turn") == 1
    assert "report.html" not in result.output
