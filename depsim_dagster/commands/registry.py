"""`depsim registry`: see, verify and export what was sealed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study, printable
from depsim_dagster.errors import RegistryError

if TYPE_CHECKING:
    from depsim_dagster.registry.ledger import Entry

ONLY_AN_EXPORT = (
    "Who holds the study's key can sign a whole registry anew, and who can write to the store can take its newest entries out with "
    "all that followed from them. Only an export that lies elsewhere shows that: depsim registry verify --against FILE"
)


@click.group()
def registry() -> None:
    """See, verify and export the sealed forecasts of a study."""


@registry.command("verify", short_help="Check chain, rows, order and scores of the registry.")
@click.option(
    "--against",
    "export",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier export: every entry of it has to be in the registry as it was.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@STUDY_OPTION
def registry_verify(export: Path | None, as_json: bool, study_file: Path | None) -> None:
    """Check that nothing in the registry was edited, deleted, moved or registered late; exit code 1 when something was.

    Checked are the chain of entries with its signatures and its end, the rows in registered_forecasts, that the outcome of
    every candidate was opened after its forecast, and that scores are of the forecasts that stand. Data below a forecast
    that was erased, purged or published again is listed and is not an error.

    Who holds the study's key can sign a whole registry anew, and who can write to the store can take out its newest
    entries with all that followed from them. Only an export that lies elsewhere shows that: --against FILE.
    """
    import json
    from dataclasses import asdict

    from depsim_dagster.registry.chain import CHANGED
    from depsim_dagster.registry.export import read_export
    from depsim_dagster.registry.verify import against, verify_study

    verdict = verify_study(open_study(study_file))
    exported = read_export(export) if export is not None else []
    findings = [*verdict.findings, *against(verdict.entries, exported)]
    wrong = [finding for finding in findings if finding.severity != CHANGED]
    if as_json:
        document = {
            "intact": not wrong,
            "entries": len(verdict.entries),
            "head": verdict.entries[-1].hash if verdict.entries else None,
            "compared_with_export": len(exported) if export is not None else None,
            "findings": [asdict(finding) for finding in findings],
        }
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(printable(f"{finding.severity}: {finding}"))
        click.echo(_summary(verdict.entries, bool(wrong)))
        if export is not None:
            click.echo(f"compared with {len(exported)} entries of {printable(str(export))}")
        else:
            click.echo(ONLY_AN_EXPORT)
    if wrong:
        sys.exit(1)


@registry.command("list")
@STUDY_OPTION
def registry_list(study_file: Path | None) -> None:
    """Every entry of the registry, in the order of its chain."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    entries = _entries(study_file)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("entry", justify="right")
    for name in ("what", "model", "sealed (UTC)", "kind", "hash"):
        table.add_column(name, overflow="fold", no_wrap=name != "model")
    for entry in entries:
        kind = entry.statement.kind if entry.statement is not None else ""
        said = (_what(entry), entry.model, entry.sealed_at[:16].replace("T", " "), kind, entry.hash[:12])
        table.add_row(str(entry.sequence), *(Text(printable(part)) for part in said))
    open_console().print(table)


@registry.command("show", short_help="The forecast of a model with its amendments and hashes.")
@click.argument("model")
@STUDY_OPTION
def registry_show(model: str, study_file: Path | None) -> None:
    """The forecast of MODEL, what it was made from, its amendments, and when its outcome was opened."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    own = [entry for entry in _entries(study_file) if entry.model == model]
    if not own:
        raise RegistryError(f"{model}: nothing is registered; see depsim registry list")
    for entry in own:
        click.echo(printable(f"entry {entry.sequence}: {_what(entry)} at {entry.sealed_at}"))
        lines: dict[str, Any] = {
            "hash": entry.hash,
            "entry before": entry.previous_hash,
            "code": entry.code_version,
        }
        if entry.statement is not None:
            said = entry.statement
            lines |= {
                "kind": said.kind,
                "released at": said.released_at,
                "measurement stack": said.stack_hash,
                "labels": said.labels_hash,
                "prefixes": said.prefixes_hash,
                "rows": said.rows_hash,
            }
        for name, value in lines.items():
            click.echo(printable(f"  {name:<18}{value or '-'}"))
    latest = next((entry for entry in reversed(own) if entry.statement is not None), None)
    if latest is None:
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    table.title = Text(f"entry {latest.sequence}, per 100,000 target turns")
    table.add_column("category", overflow="fold")
    for name in ("k/n", "forecast", "from", "to"):
        table.add_column(name, justify="right")
    for row in latest.rows:
        rates = (row[name] for name in ("rate_per_100k", "lower_per_100k", "upper_per_100k"))
        figures = [f"{row['k']:,}/{row['n']:,}", *("-" if rate is None else f"{rate:,.1f}" for rate in rates)]
        table.add_row(Text(printable(row["category"])), *map(Text, figures))
    open_console().print(table)


@registry.command("export", short_help="Write the registry to a file to be published elsewhere.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--without-rows",
    is_flag=True,
    help="Only the chain with its hashes: it shows when what was sealed, and its rates can be shown later.",
)
@STUDY_OPTION
def registry_export(file: Path, without_rows: bool, study_file: Path | None) -> None:
    """Write entries, rows and hashes to FILE, one JSON document without personal data, text, signature or key.

    Have the file, or its SHA-256, timestamped or published where you cannot change it: from then on nobody, whatever he
    holds, can rewrite what is in it unseen (depsim registry verify --against FILE).
    """
    from depsim_dagster.registry.export import export_registry

    exported = export_registry(open_study(study_file), file, with_rows=not without_rows)
    click.echo(f"{printable(str(file))}: {exported.entries} entries, the last one {exported.head_hash}")
    if exported.without_rows:
        click.echo(f"{exported.without_rows} of them without their rows; their hash is there")
    click.echo(f"SHA-256 of the file: {exported.file_hash}")


def _entries(study_file: Path | None) -> list[Entry]:
    from depsim_dagster.registry.seal import chain_entries

    entries = chain_entries(open_study(study_file).lake)
    if not entries:
        raise RegistryError(
            "nothing is registered yet; materialise registered_forecasts, or run depsim study run"
        )
    return entries


def _what(entry: Entry) -> str:
    if entry.statement is not None:
        return f"amendment {entry.amendment}" if entry.amendment else "forecast"
    return f"outcome opened (week {entry.week})"


def _summary(entries: tuple[Entry, ...], wrong: bool) -> str:
    if not entries:
        return "nothing is registered" + (", or it was deleted" if wrong else " yet")
    ends = f"{len(entries)} entries, the last one {entries[-1].hash}"
    return f"NOT INTACT: {ends}" if wrong else f"intact: {ends}"
