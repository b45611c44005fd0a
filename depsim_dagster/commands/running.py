"""Run a study from the command line, in the instance that `depsim ui` shows, with its progress."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from depsim_dagster.commands.terminal import open_study, printable
from depsim_dagster.errors import TrafficError

if TYPE_CHECKING:
    from rich.console import Console

    from depsim_dagster.study import Study


INSTANCE_SETTINGS = """\
telemetry:
  enabled: false
nux:
  enabled: false
# What steps print is not kept: events and their errors are, and no conversation can end up in a captured output.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  runs:
    max_concurrent_runs: 4  # each is a process of its own and sends up to max_in_flight requests at a time
"""
INTERRUPTED = 130  # the exit code of a shell for Ctrl-C
PRINT_EVERY_S = 60.0  # seconds between two lines of progress in a redirected output
WIDE = 100  # columns from which on the progress line has room for a long bar


def dagster_home(study: Study) -> Path:
    """$DAGSTER_HOME, or the study's own instance beside its file."""
    home = Path(os.environ.get("DAGSTER_HOME") or study.config.directory / "dagster_home").resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE_SETTINGS, encoding="utf-8")
    return home


def run_with_progress(console: Console, study_file: Path, candidates: tuple[str, ...] = ()) -> Study:
    """Run the steps of a study, print its table, and say what was skipped and where the report is."""
    from dagster import DagsterExecutionInterruptedError

    from depsim_dagster.estimation.comparison.schema import MODEL_COMPARISON
    from depsim_dagster.grading.graders.code_graders import check_code_graders
    from depsim_dagster.registry.schema import (
        CALIBRATION_SUMMARY,
        POST_RELEASE_CALIBRATION,
        REGISTERED_FORECASTS,
    )
    from depsim_dagster.report.assets import REPORT, WAREHOUSE
    from depsim_dagster.report.content import published_rows
    from depsim_dagster.report.terminal import study_table
    from depsim_dagster.study_run import study_steps

    study = open_study(study_file)
    steps = len(study_steps(study.config, candidates))
    check_code_graders(study.config)
    study.check_endpoints()
    try:
        outcome = _with_progress(console, study, candidates, steps)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        click.echo(
            "interrupted. The same command goes on from here: answers that were received, and batches that are open, "
            "are not paid for again.",
            err=True,
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    calibration, summary, forecasts, comparison = (
        published_rows(study, table)
        for table in (POST_RELEASE_CALIBRATION, CALIBRATION_SUMMARY, REGISTERED_FORECASTS, MODEL_COMPARISON)
    )
    console.print(study_table(calibration, summary, console.width, forecasts, comparison))
    by_reason: dict[str, list[str]] = {}
    for label, reason in outcome.skipped.items():
        by_reason.setdefault(reason, []).append(label)
    for reason, labels in by_reason.items():
        console.print(printable(f"skipped {', '.join(labels)}: {reason}"), highlight=False, markup=False)
    if "report" in outcome.skipped:
        raise TrafficError(
            f"{study.config.file}: no forecast could be made, so there is no report; the reasons stand above"
        )
    files = {"report": study.config.path(REPORT), "warehouse": study.config.path(WAREHOUSE)}
    written = [f"{name:<10} {path}" for name, path in files.items() if path.exists()]
    click.echo("\n" + "\n".join([*written, f"Dagster UI depsim ui -c {study.config.file}"]))
    return study


def _with_progress(console: Console, study: Study, candidates: tuple[str, ...], steps: int) -> Any:
    import dagster as dg
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    from depsim_dagster.definitions import build_definitions
    from depsim_dagster.progress import listen, progress_line
    from depsim_dagster.study_run import run_study

    class Lines(Progress):
        """The bar, and below it what the run waits for."""

        waits_for = ""

        def get_renderables(self) -> Iterator[Any]:
            yield from super().get_renderables()
            if self.waits_for:
                yield Text(f"  {self.waits_for}", style="dim", no_wrap=True, overflow="ellipsis")

    wide = console.width >= WIDE
    label = 44 if wide else 36
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24 if wide else 8),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[calls]}"),
    )
    with Lines(*columns, console=console) as bar:
        task = bar.add_task(f"{'starting':<{label}}", total=steps, calls="")
        printed, last = time.monotonic(), ""

        def on_calls(what: str, answered: int, started: int, waits_for: str) -> None:
            nonlocal printed, last
            bar.waits_for = waits_for
            bar.update(task, calls=f"{answered:,} calls")
            if console.is_terminal or time.monotonic() - printed < PRINT_EVERY_S:
                return
            printed, line = time.monotonic(), progress_line(what, answered, started, waits_for)
            if line != last:
                console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
            last = line

        listen(on_calls)

        def on_step(step: Any, state: str) -> None:
            bar.waits_for = ""
            if state == "started":
                bar.update(task, description=f"{step.label:<{label}.{label}}", calls="")
                if not console.is_terminal:
                    console.print(f"{step.label}", highlight=False, markup=False)
            else:
                bar.advance(task)

        try:
            with dg.DagsterInstance.from_config(str(dagster_home(study))) as instance:
                definitions = build_definitions(study.config, study.config.file)
                return run_study(study, definitions, instance, on_step, candidates)
        finally:
            listen(None)
