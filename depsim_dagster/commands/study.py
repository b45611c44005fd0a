"""`depsim study`: make, run, plan and inspect a study."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from depsim_dagster.commands.running import run_with_progress
from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study, printable
from depsim_dagster.config import study_file_from_environment
from depsim_dagster.errors import ConfigurationError


@click.group()
def study() -> None:
    """Make, run and inspect a study."""


@study.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--template",
    type=click.Choice(["own", "llmdrift"]),
    default="own",
    show_default=True,
    help="own: your models and logs. llmdrift: recorded answers of four released models.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the recorded answers, for llmdrift.",
)
def study_init(directory: Path, template: str, data: Path | None) -> None:
    """Write a study folder from a template."""
    from depsim_dagster.templates import write_template

    if template == "llmdrift" and data is None:
        raise ConfigurationError("template llmdrift needs --data: the folder that holds the *_EVAL.csv files")
    file = write_template(template, directory, data)
    edit = "Fill in your models, logs and endpoints, then check it" if template == "own" else "Check it"
    click.echo(
        f"{file} written.\n{edit}: depsim doctor -c {shlex.quote(str(file))}\n"
        f"What it costs: depsim study plan -c {shlex.quote(str(file))}\n"
        f"Run it: depsim study run -c {shlex.quote(str(file))}"
    )


@study.command("run")
@STUDY_OPTION
@click.option(
    "--candidate",
    "candidates",
    multiple=True,
    help="Only this release, and those that must be sealed before its outcome may be graded. Can be repeated.",
)
def study_run(study_file: Path | None, candidates: tuple[str, ...]) -> None:
    """Run every step of a study: forecast, observation, score, report. Repeating it pays for no call twice."""
    run_with_progress(open_console(), study_file or study_file_from_environment(), candidates)


@study.command("plan", short_help="What a study will cost, before any call.")
@STUDY_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def study_plan(study_file: Path | None, as_json: bool) -> None:
    """Calls, tokens, price and hours of what is left of a study, beside its budget, and the smallest rate it can show.

    It makes no call. Logs that are new are read once, as a run would do.
    """
    import json

    from depsim_dagster.plan.study_plan import study_plan as planned
    from depsim_dagster.plan.table import plan_lines, plan_table

    opened = open_study(study_file)
    opened.prepare_store()
    plan = planned(opened)
    if as_json:
        click.echo(json.dumps(plan.document(), indent=1, ensure_ascii=False))
        return
    open_console().print(plan_table(plan, f"{opened.config.name}: what is left to do"))
    click.echo("\n" + "\n".join(map(printable, plan_lines(plan))))


@study.command("status")
@STUDY_OPTION
def study_status(study_file: Path | None) -> None:
    """What is published of each step, under which measurement stack."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from depsim_dagster.study_status import spent_line, status_rows

    opened = open_study(study_file)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    table.title = Text(f"{opened.config.name}: measurement stack {opened.stack_hash[:12]}")
    table.add_column("step", overflow="fold")
    table.add_column("state")
    table.add_column("rows", justify="right")
    table.add_column("published (UTC)", no_wrap=True)
    rows = status_rows(opened)
    for row in rows:
        # Text: a label such as `forecast [model]` would be read as markup.
        table.add_row(
            Text(row.step),
            Text(row.state, style="" if row.state in ("published", "purged") else "yellow"),
            f"{row.rows:,}" if row.rows is not None else "",
            (row.published_at or "").replace("T", " ")[:16],
        )
    open_console().print(table)
    purged = sum(row.state == "purged" for row in rows)
    open_steps = sum(row.state not in ("published", "purged") for row in rows)
    click.echo(
        f"{len(rows) - open_steps - purged} of {len(rows)} partitions published"
        + (f", {purged} purged" if purged else "")
        + ("" if not open_steps else "; `depsim study run` does the rest")
    )
    click.echo(spent_line(opened))
