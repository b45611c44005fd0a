"""The `depsim` command: demo, study, sandbox, privacy, review, audit, registry, forget, purge, doctor, ui.

Whatever it runs is a Dagster run in the study's instance, and can be seen there: `depsim ui`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from depsim_dagster import __version__
from depsim_dagster.commands.audit import audit
from depsim_dagster.commands.erasure import forget_users, purge
from depsim_dagster.commands.privacy import privacy
from depsim_dagster.commands.registry import registry
from depsim_dagster.commands.review import review
from depsim_dagster.commands.running import dagster_home, run_with_progress
from depsim_dagster.commands.study import study
from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study, printable
from depsim_dagster.config import STUDY_FILE_VARIABLE, study_file_from_environment
from depsim_dagster.errors import DepsimError

TRUTH_SHARE = 0.9  # of the demo's cells; a grader's false alarms take some where nothing is planted


class _Cli(click.Group):
    """Errors that a person can act on are one message and exit code 1, without a stack trace."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except DepsimError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {printable(line)}", err=True)
            context.exit(1)


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="depsim")
def main() -> None:
    """Forecast before a release how often a model will misbehave, and score the forecast after it."""
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")


@main.command(short_help="Run a whole study on a synthetic world.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder of the demo study.",
)
@click.option(
    "--turns-per-week",
    type=click.IntRange(min=1),
    default=None,
    help="Sampled user turns a week instead of the template's 1000.",
)
@click.option(
    "--conversations-per-week",
    type=click.IntRange(min=50),
    default=None,
    help="Size of the synthetic traffic.",
)
def demo(directory: Path, turns_per_week: int | None, conversations_per_week: int | None) -> None:
    """Make a synthetic world, run a whole retrospective study on it, and check it against the planted truth."""
    from depsim_dagster.sandbox.demo import check_against_truth, make_demo

    console = open_console()
    with console.status("Writing the sandbox's traffic, consent ledger and truth …"):
        study_file = make_demo(directory, turns_per_week, conversations_per_week)
    console.print(
        f"Sandbox world and study file in [bold]{directory}[/bold]: synthetic users, models and grader."
    )
    study = run_with_progress(console, study_file)
    check = check_against_truth(study)
    console.print(
        f"\nSandbox check: the planted truth lies in the {study.config.estimation.level:.0%} interval of the observed rate in "
        f"[bold]{check.inside} of {check.cells}[/bold] cells (category × release)."
    )
    for miss in check.misses:
        console.print(f"  outside: {miss}")
    if check.inside < TRUTH_SHARE * check.cells:
        console.print(f"That is fewer than the {TRUTH_SHARE:.0%} that the demo is to reach.")
        sys.exit(1)


@main.group()
def sandbox() -> None:
    """The synthetic world's models, for trying a study out."""


@sandbox.command(
    "serve",
    short_help="Serve its models over an OpenAI-compatible API.",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox_serve(arguments: tuple[str, ...]) -> None:
    """Serve the sandbox's models over an OpenAI-compatible API on 127.0.0.1 (options: depsim sandbox serve --help)."""
    from depsim_dagster.sandbox.__main__ import main as serve

    sys.exit(serve(["serve", *arguments]))


@main.command(short_help="Check study file, traffic, endpoints, store, dbt project.")
@STUDY_OPTION
def doctor(study_file: Path | None) -> None:
    """Check the study file, its traffic, endpoints, store and dbt project; exit code 1 when something is wrong."""
    from depsim_dagster.doctor import checks

    console, failed = open_console(), 0
    file = study_file or study_file_from_environment()
    for check in checks(file):
        failed += not check.passed
        console.print(
            f"[{'green' if check.passed else 'red'}]{'ok    ' if check.passed else 'FAILED'}[/] {check.name}",
            highlight=False,
        )
        for line in check.detail.splitlines():
            console.print(f"       {printable(line)}", highlight=False, markup=False, soft_wrap=True)
    if failed:
        sys.exit(1)


@main.command(short_help="Open the Dagster UI of a study.")
@STUDY_OPTION
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(study_file: Path | None, port: int) -> None:
    """Open the Dagster UI of a study: lineage, runs, checks, schedule and backfills."""
    opened = open_study(study_file)
    home = dagster_home(opened)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        STUDY_FILE_VARIABLE: str(opened.config.file.resolve()),
    }
    click.echo(
        f"http://127.0.0.1:{port} shows the study {opened.config.name} in about half a minute; stop with Ctrl-C"
    )
    command = [
        sys.executable,
        "-W",  # Dagster recommends another command of its own; that is nothing to the reader
        "ignore:Function `dev_command` is superseded",
        "-m",
        "dagster",
        "dev",
        "-m",
        "depsim_dagster.definitions",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    os.execve(sys.executable, command, environment)


for command in (study, privacy, review, audit, registry, forget_users, purge):
    main.add_command(command)


if __name__ == "__main__":
    main()
