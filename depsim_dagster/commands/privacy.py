"""`depsim privacy`: measure de-identification, and see what it covers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study, printable
from depsim_dagster.errors import TrafficError

SHORTEST_TIMING = 5  # seconds from which on a speed is printed


@click.group()
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

    callable_ = scored_engine(engine, detector, lambda: open_study(study_file))
    rejects, shown = Rejects(), []

    def show(message: Any, span: Any, verdict: str) -> None:
        if len(shown) < show_misses:
            shown.append(span)
            value = printable(message.text[span.start : span.end])
            click.echo(f"{verdict:<8} {span.type:<20} {message.language or '-':<8} {value}", err=True)

    if show_misses:
        click.echo("warning: what follows quotes personal details of the set; keep it out of logs", err=True)
    result = score(
        read_labelled(file, rejects if skip_bad else None), callable_, show if show_misses else None
    )
    if result.messages == 0:
        raise TrafficError(f"{file}: holds no labelled message")
    console = open_console()
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
    open_console().print(table)
