import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import depsim_dagster
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.marts.project import dbt_project_dir, default_cache_dir, manifest_file, project_digest


@pytest.fixture
def project_copy(tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(dbt_project_dir(), copy, ignore=shutil.ignore_patterns("target", "logs"))
    return copy


def test_the_digest_follows_content_and_ignores_what_dbt_writes(project_copy):
    first = project_digest(project_copy)
    (project_copy / "target").mkdir()
    (project_copy / "target" / "manifest.json").write_text("{}")
    (project_copy / "target" / "compiled.sql").write_text("select 1")
    assert project_digest(project_copy) == first
    with open(project_copy / "models" / "marts" / "rate_calibration.sql", "a") as model:
        model.write("-- changed\n")
    changed = project_digest(project_copy)
    assert changed != first
    os.rename(project_copy / "tests" / "accuracy_is_a_share.sql", project_copy / "tests" / "renamed.sql")
    assert project_digest(project_copy) not in (first, changed)


def test_the_manifest_is_parsed_once_and_describes_every_column(manifest_cache):
    manifest = manifest_file(manifest_cache)
    written = manifest.stat().st_mtime_ns
    assert manifest_file(manifest_cache).stat().st_mtime_ns == written
    assert [file.name for file in manifest_cache.iterdir()] == [manifest.name]
    content = json.loads(manifest.read_text())
    models = [node for node in content["nodes"].values() if node["resource_type"] == "model"]
    assert len(models) == 21
    for model in models:
        assert model["description"], model["name"]
        assert all(column["description"] for column in model["columns"].values()), model["name"]
    marts = [model for model in models if model["fqn"][1] == "marts"]
    assert all(model["config"]["contract"]["enforced"] and model["columns"] for model in marts)
    for mart in marts:
        # what is judged of evaluation awareness hangs on definitions of its own, beside the stack
        version = "definitions_hash" if mart["name"] == "evaluation_awareness" else "stack_hash"
        assert {version, "sandbox"} <= set(mart["columns"]), mart["name"]
    exposure = content["exposures"]["exposure.depsim.study_report"]
    assert sorted(exposure["depends_on"]["nodes"]) == sorted(mart["unique_id"] for mart in marts)


def test_an_unwritable_cache_says_what_to_set(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigurationError, match="set DEPSIM_CACHE_DIR to a writable directory"):
        manifest_file(blocked / "cache")


def test_the_cache_directory_follows_the_environment(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.delenv("DEPSIM_CACHE_DIR", raising=False)
    assert default_cache_dir() == Path("/xdg/depsim")
    monkeypatch.setenv("DEPSIM_CACHE_DIR", "/chosen")
    assert default_cache_dir() == Path("/chosen")


@pytest.mark.parametrize("inside", [True, False])
def test_the_project_is_found_in_a_wheel_layout_and_its_absence_is_explained(tmp_path, inside):
    package = Path(depsim_dagster.__file__).parent
    site = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("__init__.py", "cache_directory.py", "errors.py", "project_files.py"):
        (site / "depsim_dagster").mkdir(parents=True, exist_ok=True)
        shutil.copy(package / part, site / "depsim_dagster" / part)
    shutil.copytree(package / "marts", site / "depsim_dagster" / "marts", ignore=ignored)
    if inside:
        shutil.copytree(dbt_project_dir(), site / "depsim_dagster" / "dbt_project", ignore=ignored)
    code = "from depsim_dagster.marts.project import dbt_project_dir; print(dbt_project_dir())"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(site)}, cwd=tmp_path, text=True,
        capture_output=True, timeout=30,
    )  # fmt: skip
    if inside:
        assert run.stdout.strip() == str(site / "depsim_dagster" / "dbt_project")
    else:
        assert "install it again" in run.stderr
