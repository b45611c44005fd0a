"""`depsim forget` and `depsim purge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study
from depsim_dagster.errors import ConfigurationError


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


@click.command("forget", cls=_NamesNoId, short_help="Erase users from everything that a study keeps.")
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

    opened = open_study(study_file)
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


@click.command(short_help="Delete the text of weeks whose retention has ended.")
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

    receipt = purge_text(open_study(study_file), today.date() if today else None, dry_run, _wait_for_runs)
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
    open_console().print(table)
    if dry_run:
        click.echo(f"\nDry run: nothing was removed, {receipt.rows:,} row(s) would be.")
    elif receipt.reason == "retention" and not receipt.rows:  # of which no receipt is kept
        click.echo("\nNo text has outlived its retention; nothing was removed.")
    else:
        click.echo(f"\nReceipt {receipt.receipt_id}: {receipt.rows:,} row(s) removed.")
