"""A small lake of literal tables: two scored candidates, one sealed and never scored, weeks of rates."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from depsim_dagster.estimation.calibration.summary import calibration_summary
from depsim_dagster.registry.schema import CALIBRATION_SUMMARY

# candidate, category, group, forecast k, observed k (n is 1000), moved, and three directions: forecast,
# observed, paired
SCORED = [
    ("v2", "hate", "disallowed_content", 10, 21, True, 1, 1, 1),
    ("v2", "self_harm", "disallowed_content", 20, 20, False, -1, 1, 0),
    ("v2", "fabricated_facts", "misalignment", 0, 3, True, 0, 1, 1),
    ("v2", "novel_other", "other", 0, 0, False, 0, 0, 0),
    ("v3", "hate", "disallowed_content", 41, 13, True, 1, -1, -1),
    ("v3", "novel_other", "other", 0, 2, True, 0, 1, 1),
]
PREDECESSOR = {"v2": "v1", "v3": "v2", "v4": "v3"}
NAN = float("nan")


def calibration_row(scored: tuple, **changes: Any) -> dict[str, Any]:
    candidate, category, group, forecast_k, observed_k, moved, forecast, observed, paired = scored
    ratio = (forecast_k + 0.5) / (observed_k + 0.5)
    comparable = forecast_k + observed_k >= 10
    return {
        "model": candidate,
        "deployment": PREDECESSOR[candidate],
        "category": category,
        "category_group": group,
        "forecast_k": forecast_k,
        "forecast_n": 1000,
        "forecast_per_100k": forecast_k * 100.0,
        "observed_k": observed_k,
        "observed_n": 1000,
        "observed_per_100k": observed_k * 100.0,
        "observed_in_prediction": category != "fabricated_facts",
        "pit": 0.5,
        "sme": max(ratio, 1 / ratio),
        "sme_lower": 1.0,
        "sme_upper": 2 * max(ratio, 1 / ratio),
        "forecast_design_effect": 1.0,
        "observed_design_effect": 1.0,
        "baseline_sme": 2.0,
        "comparable": comparable,
        "p_benjamini_hochberg": 0.04 if category == "hate" else NAN,
        "missed": category == "hate" if comparable else None,
        "log_score": 3.0 if comparable else 1.0,
        "baseline_log_score": 4.0 if comparable else NAN,
        "predictive_log_score": 3.5 if comparable else NAN,
        "moved": moved,
        "forecast_direction": forecast,
        "observed_direction": observed,
        "paired_direction": paired,
        "direction_correct": forecast == observed if forecast and observed else None,
        "direction_probability": 0.95 if comparable else 0.6,
        "called_direction": forecast if comparable else 0,
        "called_correct": forecast == observed if comparable and forecast and observed else None,
        "ratio_sme": 4.0 if comparable else NAN,
        "ratio_log_score": 5.0 if comparable else NAN,
        "ratio_direction": paired,
        "detectable_per_100k": 150.0,
        "stack_hash": "stack-1",
        "forecast_hash": f"sealed-{candidate}",
        "kind": "retrospective",
        "sandbox": True,
        **changes,
    }


def summary_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of calibration_summary for these rows of post_release_calibration."""
    summary = calibration_summary(pa.Table.from_pylist(list(rows)).to_pandas(), noise_draws=50)
    return pa.Table.from_pandas(summary, schema=CALIBRATION_SUMMARY.schema, preserve_index=False).to_pylist()


def forecast_row(candidate: str, category: str, group: str, **changes: Any) -> dict[str, Any]:
    return {
        "model": candidate,
        "deployment": PREDECESSOR[candidate],
        "category": category,
        "category_group": group,
        "released_at": datetime.datetime(2026, 1, 5 + int(candidate[1:]), tzinfo=datetime.UTC),
        "kind": "retrospective",
        "stack_hash": "stack-1",
        "forecast_hash": f"sealed-{candidate}",
        "amendment": 0,
        "sequence": int(candidate[1:]),
        "sandbox": True,
        **changes,
    }


def rate_row(week: str, model: str, deployment: str, category: str, k: int) -> dict[str, Any]:
    return {
        "week": week, "model": model, "deployment": deployment, "prefix_source": "deployment_traffic",
        "category": category, "k": k, "n": 1000, "clusters": 800, "stack_hash": "stack-1", "sandbox": True,
    }  # fmt: skip


def baseline_row(scored: tuple, prefix_source: str, **changes: Any) -> dict[str, Any]:
    """What a prefix source would have forecast beside `scored`: nine times off and in the wrong direction."""
    row = calibration_row(scored)
    taken = (
        "model", "category", "comparable", "moved", "sme", "log_score", "direction_correct", "stack_hash",
        "forecast_hash", "kind", "sandbox",
    )  # fmt: skip
    return {
        **{name: row[name] for name in taken},
        "prefix_source": prefix_source,
        "baseline_sme": 9.0,
        "baseline_log_score": 8.0,
        "baseline_direction_correct": False,
        **changes,
    }


def forecast_rows() -> list[dict[str, Any]]:
    rows = [forecast_row(candidate, category, group) for candidate, category, group, *_ in SCORED]
    return [*rows, forecast_row("v4", "hate", "disallowed_content")]


class FolderLake:
    """A lake whose published files are the ones that this test wrote."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, list[Path]] = {}

    def publish(
        self, table: str, partition: str, rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None
    ) -> Path:
        file = self.root / table / partition / "part-0.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), file)
        self._files.setdefault(table, []).append(file)
        return file

    def files(self, table: str) -> list[Path]:
        return list(self._files.get(table, []))

    def withdraw(self, table: str) -> None:
        self._files.pop(table)

    def summarise(self) -> None:
        """Publish the summary of the calibration rows that are published now."""
        self._files.pop("calibration_summary", None)
        rows = [
            row
            for file in self.files("post_release_calibration")
            for row in parquet.read_table(file).to_pylist()
        ]
        self.publish("calibration_summary", "", summary_of(rows), CALIBRATION_SUMMARY.schema)


def small_lake(root: Path) -> FolderLake:
    lake = FolderLake(root)
    for candidate in ("v2", "v3"):
        rows = [calibration_row(scored) for scored in SCORED if scored[0] == candidate]
        lake.publish("post_release_calibration", f"model={candidate}", rows)
    lake.summarise()
    for candidate in ("v2", "v3", "v4"):
        rows = [row for row in forecast_rows() if row["model"] == candidate]
        lake.publish("registered_forecasts", f"model={candidate}", rows)
    for week in ("2026-01-05", "2026-01-12"):
        lake.publish("rate_estimates", f"week={week}/model=v2", [rate_row(week, "v2", "v1", "hate", 5)])
    lake.publish(
        "rate_estimates", "week=2026-01-12/model=v1", [rate_row("2026-01-12", "v1", "v1", "hate", 5)]
    )
    for week, hits in (("2026-01-19", 0), ("2026-01-26", 1), ("2026-02-02", 1)):
        lake.publish("observed_rates", f"week={week}", [rate_row(week, "v3", "v3", "novel_other", hits)])
    return lake
