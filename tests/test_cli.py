"""The command line around the study: help, templates, errors without stack traces."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.grading.taxonomy import load_taxonomy


def depsim(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "command", [(), ("demo",), ("study",), ("study", "run"), ("sandbox",), ("doctor",), ("ui",)]
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
