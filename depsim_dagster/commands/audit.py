"""`depsim audit`: what the audit found, and what people decide of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from depsim_dagster.commands.terminal import STUDY_OPTION, open_console, open_study, printable

if TYPE_CHECKING:
    from depsim_dagster.audit.adjudication.adjudicate import Accepted
    from depsim_dagster.audit.adjudication.decisions import Decision
    from depsim_dagster.audit.adjudication.taxonomy_version import Adopted
    from depsim_dagster.study import Study

BY_OPTION = click.option("--by", help="Who decides. Default: the name of your account on this machine.")
NOTE = "Why, for those who read the decisions later. Write nothing of a conversation."


@click.group()
def audit() -> None:
    """Decide on behaviours that the taxonomy does not name: the audit's findings, before and after a release."""


@audit.command("list", short_help="What the audit found, with the decisions so far.")
@click.option("--model", "models", multiple=True, help="Only this candidate. Can be repeated.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="So many of each kind and candidate, by rank.",
)
@click.option("--all", "every", is_flag=True, help="Also differences that do not count as found.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@STUDY_OPTION
def audit_list(
    models: tuple[str, ...], top: int, every: bool, as_json: bool, study_file: Path | None
) -> None:
    """Behaviours that the auditor described before a release (b-…) and after it (p-…), and differences that were mined
    without a model (d-…), each with its size, rates and the decision on it.

    Nothing is shown that rests on fewer conversations or users than the study asks for.
    """
    import json

    from depsim_dagster.audit.adjudication.adjudicate import stale
    from depsim_dagster.audit.adjudication.behaviours import found_behaviours
    from depsim_dagster.audit.adjudication.decisions import read_decisions, standing
    from depsim_dagster.audit.adjudication.listing import could_find, listed, tables
    from depsim_dagster.audit.minimum import Minimum
    from depsim_dagster.errors import ConfigurationError

    study = open_study(study_file)
    known = {deployment.model for deployment in study.config.deployments}
    if unknown := sorted(set(models) - known):
        candidates = ", ".join(candidate.model for candidate in study.config.candidates) or "none"
        raise ConfigurationError(
            f"{study.config.file}: no candidate `{unknown[0]}`; candidates: {candidates}"
        )
    held = standing(read_decisions(study.config))
    found = found_behaviours(study, models)
    everything = found if not models else found_behaviours(study)
    if as_json:
        click.echo(json.dumps(listed(found, held), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        console = open_console()
        shown = found if every else found.without_chance(held)
        for table in tables(shown, held, top):
            console.print(table)
            console.print()
        if hidden := len(found.behaviours) - len(shown.behaviours):
            _say(f"differences within chance (audit.false_discovery) that are not shown: {hidden:,} (--all)")
        if not shown.behaviours:
            _nothing(study, found.audited)
        elif any(behaviour.id not in held for behaviour in shown.behaviours):
            _say("depsim audit show ID: the numbers and examples; accept, reject or merge decides")
        for model, (read, rate) in found.detectable.items():
            _say(f"{model}: {could_find(read, rate, study.config.estimation.level)}")
    if found.left_out:
        least = Minimum.of(study.config)
        _say(
            f"{found.left_out:,} left out, of fewer than {least.conversations} conversations or {least.users} users "
            "(audit.conversations, audit.users, privacy.k_anonymity)",
            err=as_json,
        )
    for line in stale(held, everything.by_id()):
        _say(f"warning: {line}", err=True)


def _nothing(study: Study, audited: bool) -> None:
    if study.config.audit is None:
        _say(f"{study.config.file}: the study has no section `audit`; give it one, and run the study")
    elif not audited:
        _say("no candidate was audited yet: depsim study run")
    else:
        _say("the audit found nothing of the size that is shown, or nothing beyond chance")


@audit.command("show", short_help="One behaviour, with the text of a few findings behind it.")
@click.argument("id")
@click.option(
    "--members", type=click.IntRange(min=0), default=3, show_default=True, help="Show so many findings."
)
@STUDY_OPTION
def audit_show(id: str, members: int, study_file: Path | None) -> None:
    """Everything on the behaviour or difference ID: its numbers, the decision on it, and the findings nearest to its centre
    with description, quotation, severity and justification; of a mined phrase, the phrase.

    The texts are of de-identified conversations and of a model's making. They are read from the store for you and kept
    nowhere else.
    """
    from depsim_dagster.audit.adjudication.adjudicate import behaviour
    from depsim_dagster.audit.adjudication.decisions import read_decisions, standing
    from depsim_dagster.audit.adjudication.listing import decision_text, member_lines, number_lines
    from depsim_dagster.audit.adjudication.members import members_of, phrase_of
    from depsim_dagster.errors import text_free

    study = open_study(study_file)
    shown = behaviour(study, id)
    for line in number_lines(shown):
        _say(line)
    _say(f"decision: {decision_text(standing(read_decisions(study.config)).get(id)) or 'none yet'}")
    with text_free("audit show"):
        phrase = phrase_of(study, shown) if members else None
        found = members_of(study, shown) if members else None
    texts = [] if phrase is None else [f"phrase: {phrase}"]
    for number, member in enumerate(found.members[:members] if found else (), 1):
        texts += ["", *member_lines(number, member, shown.model)]
    for line in texts:
        _say(line)
    if found is not None and found.purged:
        _say(f"\nthe text of {found.purged:,} finding(s) was deleted by retention")
    if texts and not sys.stdout.isatty():
        _say(
            "warning: this output holds text of conversations (de-identified). It is outside of the store: neither `depsim "
            "forget` nor retention reaches it.",
            err=True,
        )


@audit.command("accept", short_help="Make a draft category of a behaviour.")
@click.argument("id")
@click.option("--as", "category", required=True, help="Name of the draft category.")
@click.option("--group", default="misalignment", show_default=True, help="Its group in the taxonomy.")
@click.option("--definition", help="One sentence on what the assistant does. Default: from a template.")
@click.option("--rubric", help="When to flag and when not. Default: from a template.")
@click.option("--generate", is_flag=True, help="Have the auditor's model write what you do not: one call.")
@click.option("--grader", help="Grader of the category. Default: grading.default_grader.")
@click.option("--note", default="", help=NOTE)
@BY_OPTION
@STUDY_OPTION
def audit_accept(
    id: str,
    category: str,
    group: str,
    definition: str | None,
    rubric: str | None,
    generate: bool,
    grader: str | None,
    note: str,
    by: str | None,
    study_file: Path | None,
) -> None:
    """Accept the behaviour or difference ID as a draft category, with definition and rubric.

    Nothing that is measured changes: a draft enters a taxonomy only by `depsim audit adopt`. Accept it again to word it
    otherwise; the last word holds. With --generate the auditor's model reads descriptions of the behaviour; what it
    writes is refused when it holds a personal detail or repeats the evidence.
    """
    from depsim_dagster.audit.adjudication.adjudicate import Typed, accept
    from depsim_dagster.errors import text_free

    study = open_study(study_file)
    with text_free("audit accept"):
        typed = Typed(group, definition, rubric, grader, note)
        accepted = accept(study, id, category, typed, by=by, generate=generate)
    _print_accepted(study, accepted)


def _print_accepted(study: Study, accepted: Accepted) -> None:
    draft = accepted.decision.draft
    assert draft is not None
    _say(f"{accepted.decision.id}: accepted as the draft {draft.category} ({draft.group})")
    _say(f"definition: {draft.definition}")
    _say(f"rubric: {draft.rubric}")
    for warning in accepted.warnings:
        _say(f"warning: {warning}", err=True)
    _say(
        "\nRead it before graders do; accept it again with --definition or --rubric to word it otherwise. It is no part of what the "
        f"study measures ({study.stack_hash[:12]}) until `depsim audit adopt FILE` and grading.taxonomy say so."
    )


@audit.command("reject", short_help="Say that a behaviour is nothing to measure.")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--note", required=True, help=NOTE)
@BY_OPTION
@STUDY_OPTION
def audit_reject(ids: tuple[str, ...], note: str, by: str | None, study_file: Path | None) -> None:
    """Reject behaviours or differences, with the reason. It takes back an earlier decision too."""
    from depsim_dagster.audit.adjudication.adjudicate import reject

    study = open_study(study_file)
    _print_decided(study, reject(study, ids, note, by=by), "rejected")


@audit.command("merge", short_help="Say that behaviours are the same as another, or as a known category.")
@click.argument("ids", nargs=-1, required=True, metavar="ID... INTO")
@click.option("--note", default="", help=NOTE)
@BY_OPTION
@STUDY_OPTION
def audit_merge(ids: tuple[str, ...], note: str, by: str | None, study_file: Path | None) -> None:
    """Merge behaviours or differences into INTO, the last one: another of them, a category of the taxonomy, or a draft."""
    from depsim_dagster.audit.adjudication.adjudicate import merge

    if len(ids) < 2:
        raise click.UsageError("name at least one behaviour, and behind it what it is merged into")
    study = open_study(study_file)
    *merged, into = ids
    _print_decided(study, merge(study, merged, into, note, by=by), f"merged into {into}")


def _print_decided(study: Study, decisions: list[Decision], what: str) -> None:
    from depsim_dagster.audit.adjudication.decisions import decisions_file

    for decision in decisions:
        _say(f"{decision.id}: {what}")
    _say(f"in {decisions_file(study.config)}")


@audit.command("adopt", short_help="Write a new taxonomy file with the accepted drafts.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--version", help="Version of the new taxonomy. Default: the present one, counted on.")
@STUDY_OPTION
def audit_adopt(file: Path, version: str | None, study_file: Path | None) -> None:
    """Write the study's taxonomy with every accepted draft to FILE, as a new version. No file is replaced, and the study
    measures what it did until its study file names the new one in grading.taxonomy.
    """
    from depsim_dagster.audit.adjudication.adjudicate import stale
    from depsim_dagster.audit.adjudication.behaviours import found_behaviours
    from depsim_dagster.audit.adjudication.decisions import read_decisions, standing
    from depsim_dagster.audit.adjudication.taxonomy_version import adopt

    study = open_study(study_file)
    adopted = adopt(study, file, version)
    for line in stale(standing(read_decisions(study.config)), found_behaviours(study).by_id()):
        _say(f"warning: {line}", err=True)
    for line in _what_it_means(study, adopted):
        _say(line)


def _what_it_means(study: Study, adopted: Adopted) -> list[str]:
    lines = [
        f"{adopted.file}: taxonomy {adopted.version}, with {', '.join(adopted.categories)}",
        f"To measure by it: `taxonomy: {adopted.named}` under `grading` in the study file. That is another measurement stack:",
        f"  {study.stack_hash[:12]} now, {adopted.stack_hash[:12]} then. Labels of the two are never mixed: every turn is graded anew,",
        "  and rates before and after are not compared. Replayed answers are in the journal and cost nothing.",
    ]
    if adopted.sealed:
        lines += [
            f"Sealed under the present stack: {', '.join(adopted.sealed)}. A forecast is scored by the stack that made it, and knows",
            "  nothing of a category that came later. Keep this study as it is until they are scored, and measure by the new",
            "  taxonomy in a second study file, with a `store` of its own and `journal` set to this store's, which pays for no",
            f"  answer twice: {study.lake.journal_directory}",
        ]
    return lines


def _say(line: str, err: bool = False) -> None:
    """One line, without what a terminal obeys: parts of it are text of models."""
    for part in line.split("\n"):
        click.echo(printable(part), err=err)
