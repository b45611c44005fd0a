"""The product's first use: a forecast before there is anything to score it against."""

import json

from click.testing import CliRunner
from small_study import BEFORE_RELEASE, write_study

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.registry.seal import verified_forecast
from depsim_dagster.study import Study


def test_forecast_without_an_outcome_ends_in_a_report(tmp_path, small_world, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    file = write_study(tmp_path, small_world, weeks=BEFORE_RELEASE, sampling={"turns_per_week": 40})
    ran = CliRunner().invoke(main, ["study", "run", "-c", str(file)])
    assert ran.exit_code == 0, ran.output
    assert "sandbox-v2" in ran.output
    assert verified_forecast(Study(load_study(file)).lake, "sandbox-v2").num_rows == 20
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["study"] == "small" and "sandbox-v2" in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )
    assert not (tmp_path / "warehouse.duckdb").exists()
    assert "warehouse" not in ran.output.split("report", 1)[1]
