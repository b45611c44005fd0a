"""`depsim review`: labels of people, and the graders beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study, printable


@click.group()
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
@click.option(
    "--width",
    type=click.FloatRange(1, min_open=True),
    help="Draw what `depsim review plan` of this width says, in place of these numbers.",
)
@click.option("--week", "weeks", multiple=True, help="Only this week (its Monday). Can be repeated.")
@click.option("--model", "models", multiple=True, help="Only turns of this model. Can be repeated.")
@click.option("--category", "categories", multiple=True, help="Only this category. Can be repeated.")
@STUDY_OPTION
def review_export(
    file: Path,
    per_category: int,
    flagged_share: float,
    width: float | None,
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
    from depsim_dagster.grading.review.plan import review_plan

    study = open_study(study_file)
    planned = None if width is None else review_plan(study, width, categories).sizes
    exported = export_sample(
        study, file, Draw(per_category, flagged_share, weeks, models, categories, planned)
    )
    click.echo(
        f"{printable(str(file))}: {exported.items:,} turn(s) in {exported.categories} categories, in random order within each."
    )
    for label, reason in exported.left_out.items():
        click.echo(printable(f"left out: {label}: {reason}"))
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


@review.command("plan", short_help="How many turns to label for corrected rates of a wanted precision.")
@click.option(
    "--width",
    type=click.FloatRange(1, min_open=True),
    default=3.0,
    show_default=True,
    help="Wanted interval of a corrected rate: its upper over its lower limit.",
)
@click.option("--category", "categories", multiple=True, help="Only this category. Can be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@STUDY_OPTION
def review_plan_command(
    width: float, categories: tuple[str, ...], as_json: bool, study_file: Path | None
) -> None:
    """Say for each rate which turns people should label, so that its interval is as narrow as wanted once it is corrected
    for grader error: flagged turns, which show the grader's precision, and either known positives (challenging prompts),
    which show its sensitivity, or turns that it does not flag, drawn by score, which show it without an assumption.

    What people have labelled already is reckoned with. The width is that at the counts that are expected.
    """
    import json

    from depsim_dagster.grading.review.plan import review_plan
    from depsim_dagster.report.review_plan_table import plan_notes, plan_records, plan_table

    opened = open_study(study_file)
    plan = review_plan(opened, width, categories)
    if as_json:
        click.echo(json.dumps(plan_records(plan), allow_nan=False, indent=1))
        return
    if not plan.rates:
        click.echo("no rate of a candidate's windows has labels yet: run the study first")
        return
    open_console().print(plan_table(plan))
    for line in plan_notes(plan, opened.config.file, categories):
        click.echo(printable(line))


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

    taken = import_labels(open_study(study_file), file, annotator)
    click.echo(
        f"{taken.labels:,} label(s){' were imported before; nothing changed' if taken.already else ' imported'}, "
        f"{taken.unlabelled:,} row(s) not filled in, {len(taken.rejected):,} rejected"
    )
    for reason, count in taken.reasons().most_common():
        click.echo(f"  {count:,} × {reason}")
    for line, reason in taken.rejected[:show]:
        click.echo(f"row {line}: {reason}", err=True)
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
    from depsim_dagster.report.validation_table import NOT_VALIDATED, terminal_notes, terminal_tables

    opened = open_study(study_file)
    rows = suppressed_validation(validation_rows(opened).to_pandas(), opened.config.privacy.k_anonymity)
    if as_json:
        click.echo(json.dumps(records(rows), allow_nan=False, indent=1))
        return
    if not len(rows):
        click.echo(f"{NOT_VALIDATED}\nHave people label a sample: depsim review export FILE")
        return
    console = open_console()
    for table in terminal_tables(rows):
        console.print(table)
        console.print()
    for line in terminal_notes(rows, opened.config.privacy.k_anonymity):
        click.echo(printable(line))


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
    from rich.text import Text

    from depsim_dagster.grading.review.comparison import compare_graders

    rows = compare_graders(open_study(study_file), graders)
    if as_json:
        click.echo(json.dumps(rows, allow_nan=False, indent=1))
        return
    tables: dict[str, Table] = {}
    for row in rows:
        pair = f"1st: {row['first']}, 2nd: {row['second']}"
        if pair not in tables:
            table = tables[pair] = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
            table.title, table.title_justify = Text(pair), "left"
            table.add_column("category", overflow="fold")
            for name in ("turns", "only 1st right", "only 2nd right", "kappa 1st", "kappa 2nd", "McNemar p"):
                table.add_column(name, justify="right")
        counts = [f"{row[name]:,}" for name in ("n", "only_first_right", "only_second_right")]
        shares = [row["first_kappa"], row["second_kappa"], row["mcnemar_p"]]
        figures = [*counts, *("-" if share is None else f"{share:.3f}" for share in shares)]
        tables[pair].add_row(*map(Text, (row["category"], *figures)))
    console = open_console()
    for table in tables.values():
        console.print(table)
        console.print()
