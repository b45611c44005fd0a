"""The `depsim` command: demo, study, sandbox, privacy, review, forget, purge, doctor, ui.

Whatever it runs is a Dagster run in the study's instance, and can be seen there: `depsim ui`.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from depsim_dagster import __version__
from depsim_dagster.config import STUDY_FILE_VARIABLE, load_study, study_file_from_environment
from depsim_dagster.errors import ConfigurationError, DepsimError, TrafficError

if TYPE_CHECKING:
    from rich.console import Console

    from depsim_dagster.study import Study

STUDY_OPTION = click.option(
    "-c",
    "--study",
    "study_file",
    type=click.Path(path_type=Path),
    default=None,
    help=f"Study file. Default: ${STUDY_FILE_VARIABLE}, else study.yaml, else demo/study.yaml.",
)


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
TRUTH_SHARE = 0.9  # of the demo's cells; a grader's false alarms take some where nothing is planted
INTERRUPTED = 130  # the exit code of a shell for Ctrl-C
SHORTEST_TIMING = 5  # seconds from which on a speed is printed
PRINT_EVERY_S = 60.0  # seconds between two lines of progress in a redirected output
WIDE = 100  # columns from which on the progress line has room for a long bar


class _Cli(click.Group):
    """Errors that a person can act on are one message and exit code 1, without a stack trace."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except DepsimError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {_printable(line)}", err=True)
            context.exit(1)


def _printable(text: str) -> str:
    """A message may name a file, and a file's name may hold what a terminal obeys."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


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

    console = _console()
    with console.status("Writing the sandbox's traffic, consent ledger and truth …"):
        study_file = make_demo(directory, turns_per_week, conversations_per_week)
    console.print(
        f"Sandbox world and study file in [bold]{directory}[/bold]: synthetic users, models and grader."
    )
    study = _run_study(console, study_file)
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
    _run_study(_console(), study_file or study_file_from_environment(), candidates)


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

    opened = _open(study_file)
    opened.prepare_store()
    plan = planned(opened)
    if as_json:
        click.echo(json.dumps(plan.document(), indent=1, ensure_ascii=False))
        return
    _console().print(plan_table(plan, f"{opened.config.name}: what is left to do"))
    click.echo("\n" + "\n".join(map(_printable, plan_lines(plan))))


@study.command("status")
@STUDY_OPTION
def study_status(study_file: Path | None) -> None:
    """What is published of each step, under which measurement stack."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from depsim_dagster.study_status import spent_line, status_rows

    opened = _open(study_file)
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
    _console().print(table)
    purged = sum(row.state == "purged" for row in rows)
    open_steps = sum(row.state not in ("published", "purged") for row in rows)
    click.echo(
        f"{len(rows) - open_steps - purged} of {len(rows)} partitions published"
        + (f", {purged} purged" if purged else "")
        + ("" if not open_steps else "; `depsim study run` does the rest")
    )
    click.echo(spent_line(opened))


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


@main.group()
def privacy() -> None:
    """Measure de-identification, and see what it covers."""


@privacy.command("score", short_help="Score a de-identification on a labelled set.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--engine",
    type=click.Choice(["embedded", "study", "presidio", "none"]),
    default="embedded",
    show_default=True,
    help="embedded: depsim's own. study: with the further detectors of a study. presidio: plain Presidio. "
    "none: changes nothing, to check the set.",
)
@click.option("--detector", help="Your own `text -> text` instead: module:function or file.py:function.")
@STUDY_OPTION
@click.option(
    "--json", "document", type=click.Path(path_type=Path, dir_okay=False), help="Write the counts here."
)
@click.option(
    "--fail-under",
    multiple=True,
    metavar="TYPE=SHARE",
    help="Exit code 1 when the recall of a type (or `all`) is lower, or over-redaction[:KIND] is higher. Can be repeated.",
)
@click.option("--skip-bad", is_flag=True, help="Count and leave out rows that are no labelled message.")
@click.option(
    "--show-misses",
    type=click.IntRange(min=0),
    default=0,
    help="Print so many details that were left. This prints personal data of the set.",
)
def privacy_score(
    file: Path,
    engine: str,
    detector: str | None,
    study_file: Path | None,
    document: Path | None,
    fail_under: tuple[str, ...],
    skip_bad: bool,
    show_misses: int,
) -> None:
    """Score a de-identification on a labelled set: recall by type and language, over-redaction, throughput.

    FILE is JSON lines, a JSON list, CSV (each also .gz) or Parquet, with a text and its spans as depsim,
    presidio-research, ai4privacy, Gretel or Nemotron write them.
    """
    import json

    from depsim_dagster.privacy.scoring.engines import scored_engine
    from depsim_dagster.privacy.scoring.labelled_files import Rejects, read_labelled
    from depsim_dagster.privacy.scoring.report import failures, score_tables
    from depsim_dagster.privacy.scoring.score import score

    callable_ = scored_engine(engine, detector, lambda: _open(study_file))
    rejects, shown = Rejects(), []

    def show(message: Any, span: Any, verdict: str) -> None:
        if len(shown) < show_misses:
            shown.append(span)
            value = _printable(message.text[span.start : span.end])
            click.echo(f"{verdict:<8} {span.type:<20} {message.language or '-':<8} {value}", err=True)

    if show_misses:
        click.echo("warning: what follows quotes personal details of the set; keep it out of logs", err=True)
    result = score(
        read_labelled(file, rejects if skip_bad else None), callable_, show if show_misses else None
    )
    if result.messages == 0:
        raise TrafficError(f"{file}: holds no labelled message")
    console = _console()
    for table in score_tables(result):
        console.print(table)
        console.print()
    # The first texts pay for loading the word lists; the speed on a few of them says nothing.
    speed = f", {result.characters_per_second / 1000:,.0f} thousand characters a second"
    click.echo(
        f"{result.messages:,} messages, {result.characters:,} characters"
        + (speed if result.seconds >= SHORTEST_TIMING else "")
    )
    if rejects.count:
        click.echo(f"{rejects.count:,} row(s) left out, the first in line {rejects.first}:")
        for reason, count in rejects.reasons.most_common():
            click.echo(f"  {count:,} × {reason}")
    if document is not None:
        counts = {**result.document(), "engine": detector or engine, "rejected": rejects.count}
        document.write_text(json.dumps(counts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    failed = failures(result, fail_under)
    for failure in failed:
        click.echo(f"FAILED {failure}", err=True)
    if failed:
        sys.exit(1)


@privacy.command("coverage")
def privacy_coverage() -> None:
    """The 18 identifiers of the HIPAA Safe Harbor method, and what finds each."""
    from rich import box
    from rich.table import Table

    from depsim_dagster.privacy.scoring.safe_harbor import SAFE_HARBOR

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_lines=True)
    table.add_column("", no_wrap=True)
    for name, ratio in (("identifier", 3), ("types", 3), ("found by", 5), ("limits", 5)):
        table.add_column(name, overflow="fold", ratio=ratio)
    for row in SAFE_HARBOR:
        table.add_row(row.letter, row.identifier, ", ".join(row.types) or "-", row.found_by, row.limits)
    _console().print(table)


@main.group()
def review() -> None:
    """Have people label a sample of graded turns, and see how far the graders can be trusted."""


@review.command("export", short_help="Write a blinded sample for people to label.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--per-category",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Turns of each category, on average.",
)
@click.option(
    "--flagged-share",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Of these, up to so many that the grader flags; all of them where there are fewer.",
)
@click.option("--week", "weeks", multiple=True, help="Only this week (its Monday). Can be repeated.")
@click.option("--model", "models", multiple=True, help="Only turns of this model. Can be repeated.")
@click.option("--category", "categories", multiple=True, help="Only this category. Can be repeated.")
@STUDY_OPTION
def review_export(
    file: Path,
    per_category: int,
    flagged_share: float,
    weeks: tuple[str, ...],
    models: tuple[str, ...],
    categories: tuple[str, ...],
    study_file: Path | None,
) -> None:
    """Write a sample of graded turns to FILE (.csv or .jsonl) for people to label: fill in `label` with true, false or
    unsure, and import the file. The verdict and the model are not in it; the probabilities of the draw stay in the store.

    The draw is the study's own: a second export of the same size holds the same turns, a larger one holds more.

    Turns that the grader flags show its precision. Its misses are hard to find: at a rate of 1 in 10,000 a hundred
    turns that it does not flag hold none, and sensitivity stays all but unknown. Where a screen or the grader gives a
    score, they are drawn by it. Otherwise label known positives too (challenging prompts, reported apart), or give each
    category many more turns.
    """
    from depsim_dagster.grading.review.export import Draw, export_sample

    exported = export_sample(
        _open(study_file), file, Draw(per_category, flagged_share, weeks, models, categories)
    )
    click.echo(
        f"{_printable(str(file))}: {exported.items:,} turn(s) in {exported.categories} categories, in random order within each."
    )
    for label, reason in exported.left_out.items():
        click.echo(_printable(f"left out: {label}: {reason}"))
    if not exported.scored:
        click.echo(
            "No score tells where misses may be: turns that the grader does not flag were drawn with equal probability, "
            "which finds hardly any miss of a rare category."
        )
    click.echo(
        "warning: the file holds conversations (de-identified). It is outside of the store: neither `depsim forget` nor "
        "retention reaches it. Delete it when it is imported.",
        err=True,
    )


@review.command("import", short_help="Take labels that people gave into the store.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--annotator", help="Who filled it in, where the rows do not say; `final` for labels agreed on by all."
)
@click.option(
    "--show", type=click.IntRange(min=0), default=20, show_default=True, help="Print so many rejected rows."
)
@STUDY_OPTION
def review_import(file: Path, annotator: str | None, show: int, study_file: Path | None) -> None:
    """Take the labels of FILE into the store: a filled-in file of `depsim review export`, also half done, or a list by turn
    (CSV, JSON Lines, Parquet: turn_id, category, label, annotator, and completion_index, model, source, severity,
    sampling_probability where known). Text and notes of the file are not kept. Exit code 1 when a row was rejected.
    """
    from depsim_dagster.grading.review.human_labels import import_labels

    taken = import_labels(_open(study_file), file, annotator)
    click.echo(
        f"{taken.labels:,} label(s){' were imported before; nothing changed' if taken.already else ' imported'}, "
        f"{taken.unlabelled:,} row(s) not filled in, {len(taken.rejected):,} rejected"
    )
    for reason, count in taken.reasons().most_common():
        click.echo(f"  {count:,} × {reason}")
    for line, reason in taken.rejected[:show]:
        click.echo(f"line {line}: {reason}", err=True)
    if len(taken.rejected) > show:
        click.echo(f"and {len(taken.rejected) - show:,} more, in the table rejected_human_labels", err=True)
    if taken.rejected:
        sys.exit(1)


@review.command("report", short_help="Graders beside people: sensitivity, specificity, precision, kappa.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows of grader_validation as JSON.")
@STUDY_OPTION
def review_report(as_json: bool, study_file: Path | None) -> None:
    """Compare graders with the labels in the store, by category and prefix source, each figure with its interval."""
    import json

    from depsim_dagster.grading.review.validation import validation_rows
    from depsim_dagster.privacy.gates.aggregates import suppressed_validation
    from depsim_dagster.report.plain_rows import records
    from depsim_dagster.report.validation_table import NOT_VALIDATED, terminal_lines

    opened = _open(study_file)
    rows = suppressed_validation(validation_rows(opened).to_pandas(), opened.config.privacy.k_anonymity)
    if as_json:
        click.echo(json.dumps(records(rows), allow_nan=False, indent=1))
        return
    if not len(rows):
        click.echo(NOT_VALIDATED)
    for line in terminal_lines(rows):
        click.echo(_printable(line))


@review.command("compare", short_help="Which grader is right more often on the labelled turns.")
@click.argument("graders", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@STUDY_OPTION
def review_compare(graders: tuple[str, ...], as_json: bool, study_file: Path | None) -> None:
    """Have each of the study file's GRADERS read the turns that people labelled, as if it were the default grader, and
    compare them. Model graders are called for these turns; answers that the study has are not paid for again."""
    import json

    from rich import box
    from rich.table import Table

    from depsim_dagster.grading.review.comparison import compare_graders

    rows = compare_graders(_open(study_file), graders)
    if as_json:
        click.echo(json.dumps(rows, allow_nan=False, indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("category", "first", "second"):
        table.add_column(name, overflow="fold")
    for name in ("turns", "only 1st right", "only 2nd right", "kappa 1st", "kappa 2nd", "McNemar p"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = [f"{row[name]:,}" for name in ("n", "only_first_right", "only_second_right")]
        shares = [row["first_kappa"], row["second_kappa"], row["mcnemar_p"]]
        table.add_row(
            row["category"],
            row["first"],
            row["second"],
            *counts,
            *("-" if share is None else f"{share:.3f}" for share in shares),
        )
    _console().print(table)


class _NamesNoId(click.Command):
    """A command whose arguments are account ids: what it does not understand is not repeated on the terminal."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(context, args)
        except click.UsageError:
            raise click.UsageError(
                "options are not understood. An id that begins with `-` goes behind `--`, or into --from-file; "
                "see depsim forget --help",
                context,
            ) from None


@main.command("forget", cls=_NamesNoId, short_help="Erase users from everything that a study keeps.")
@click.argument("users", nargs=-1, metavar="[USER]...")
@click.option(
    "--from-file",
    type=click.File(encoding="utf-8"),
    help="Account ids, one a line; `-` reads standard input and leaves nothing in the shell's history.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@STUDY_OPTION
def forget_users(users: tuple[str, ...], from_file: Any, dry_run: bool, study_file: Path | None) -> None:
    """Erase users (account ids as in the logs) from every table, journal and report that a study keeps.

    They are never sampled again. The receipt names nobody.
    """
    from depsim_dagster.privacy.erasure.forget import forget

    opened = _open(study_file)
    try:
        # Files and standard input may begin with a byte order mark.
        listed = [line.strip().lstrip("\ufeff").strip() for line in from_file] if from_file else []
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            "--from-file cannot be read: give account ids in UTF-8, one a line"
        ) from None
    ids = [user for user in (*users, *listed) if user]
    receipt = forget(opened, ids, dry_run, on_wait=_wait_for_runs)
    _print_receipt(receipt, dry_run)
    unknown = receipt.users - receipt.found
    click.echo(
        f"{receipt.found} of {receipt.users} user(s) had rows in this store."
        + (" An id counts as it stands in the logs, case and all." if unknown else "")
    )
    click.echo(
        "Logs and consent ledger are yours: remove the users there as well, and from copies and backups of the store."
    )


@main.command(short_help="Delete the text of weeks whose retention has ended.")
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    help="Count privacy.retention_days back from this day instead of today (UTC).",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@STUDY_OPTION
def purge(today: Any, dry_run: bool, study_file: Path | None) -> None:
    """Delete the text of weeks that ended more than privacy.retention_days ago; what was counted in them stays."""
    from depsim_dagster.privacy.erasure.retention import purge as purge_text

    receipt = purge_text(_open(study_file), today.date() if today else None, dry_run, _wait_for_runs)
    _print_receipt(receipt, dry_run)


def _wait_for_runs() -> None:
    click.echo("A run is at work in this store; going on when it has ended (Ctrl-C gives up) …", err=True)


def _print_receipt(receipt: Any, dry_run: bool) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("table")
    for name in ("partitions", "rows"):
        table.add_column(name, justify="right")
    for removed in receipt.removed:
        table.add_row(removed.table, f"{removed.partitions:,}", f"{removed.rows:,}")
    _console().print(table)
    if dry_run:
        click.echo(f"\nDry run: nothing was removed, {receipt.rows:,} row(s) would be.")
    elif receipt.reason == "retention" and not receipt.rows:  # of which no receipt is kept
        click.echo("\nNo text has outlived its retention; nothing was removed.")
    else:
        click.echo(f"\nReceipt {receipt.receipt_id}: {receipt.rows:,} row(s) removed.")


@main.command(short_help="Check study file, traffic, endpoints, store, dbt project.")
@STUDY_OPTION
def doctor(study_file: Path | None) -> None:
    """Check the study file, its traffic, endpoints, store and dbt project; exit code 1 when something is wrong."""
    from depsim_dagster.doctor import checks

    console, failed = _console(), 0
    file = study_file or study_file_from_environment()
    for check in checks(file):
        failed += not check.passed
        console.print(
            f"[{'green' if check.passed else 'red'}]{'ok    ' if check.passed else 'FAILED'}[/] {check.name}",
            highlight=False,
        )
        for line in check.detail.splitlines():
            console.print(f"       {_printable(line)}", highlight=False, markup=False, soft_wrap=True)
    if failed:
        sys.exit(1)


@main.command(short_help="Open the Dagster UI of a study.")
@STUDY_OPTION
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(study_file: Path | None, port: int) -> None:
    """Open the Dagster UI of a study: lineage, runs, checks, schedule and backfills."""
    opened = _open(study_file)
    home = _dagster_home(opened)
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


def _open(study_file: Path | None) -> Study:
    from depsim_dagster.study import Study

    return Study(load_study(study_file or study_file_from_environment()))


def _dagster_home(study: Study) -> Path:
    """$DAGSTER_HOME, or the study's own instance beside its file."""
    home = Path(os.environ.get("DAGSTER_HOME") or study.config.directory / "dagster_home").resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE_SETTINGS, encoding="utf-8")
    return home


def _run_study(console: Console, study_file: Path, candidates: tuple[str, ...] = ()) -> Study:
    from dagster import DagsterExecutionInterruptedError

    from depsim_dagster.registry.schema import (
        CALIBRATION_SUMMARY,
        POST_RELEASE_CALIBRATION,
        REGISTERED_FORECASTS,
    )
    from depsim_dagster.report.assets import REPORT, WAREHOUSE
    from depsim_dagster.report.content import published_rows
    from depsim_dagster.report.terminal import study_table
    from depsim_dagster.study_run import study_steps

    study = _open(study_file)
    steps = len(study_steps(study.config, candidates))
    study.check_endpoints()
    try:
        outcome = _with_progress(console, study, candidates, steps)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        click.echo(
            "interrupted. The same command goes on from here: answers that were received are not paid for again.",
            err=True,
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    calibration, summary, forecasts = (
        published_rows(study, table)
        for table in (POST_RELEASE_CALIBRATION, CALIBRATION_SUMMARY, REGISTERED_FORECASTS)
    )
    console.print(study_table(calibration, summary, console.width, forecasts))
    by_reason: dict[str, list[str]] = {}
    for label, reason in outcome.skipped.items():
        by_reason.setdefault(reason, []).append(label)
    for reason, labels in by_reason.items():
        console.print(_printable(f"skipped {', '.join(labels)}: {reason}"), highlight=False, markup=False)
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
            with dg.DagsterInstance.from_config(str(_dagster_home(study))) as instance:
                definitions = build_definitions(study.config, study.config.file)
                return run_study(study, definitions, instance, on_step, candidates)
        finally:
            listen(None)


def _console() -> Console:
    from rich.console import Console

    # Redirected output has no width of its own; the study table needs a hundred columns.
    return Console() if sys.stdout.isatty() else Console(width=100)


if __name__ == "__main__":
    main()
