"""A score as a person reads it, and the thresholds that a script sets. The counting is in scoring.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.privacy.scoring.score import OverRedaction, Recall, Score

if TYPE_CHECKING:
    from rich.table import Table

ALL = "all"
OVER = "over-redaction"


def score_tables(score: Score) -> list[Table]:
    """Recall by type, by language and by kind of writing, and over-redaction by kind; a part with one name is left out."""
    tables = [_recalls("type", {**score.by_type, ALL: score.total})]
    for name, recalls in (("language", score.by_language), ("kind", score.by_kind)):
        if len(recalls) > 1:
            tables.append(_recalls(name, recalls))
    tables.append(_over_redaction(score))
    return tables


def failures(score: Score, under: Iterable[str]) -> list[str]:
    """What of `type=share` the score does not reach. `all` is every span together; `over-redaction=share` and
    `over-redaction:kind=share` are upper bounds.

    Raises:
        ConfigurationError: a threshold is malformed, or names what the set does not hold: that would pass unseen.
    """
    return [failure for threshold in under if (failure := _failure(score, threshold)) is not None]


def _failure(score: Score, threshold: str) -> str | None:
    name, _, value = threshold.rpartition("=")
    try:
        limit = float(value)
    except ValueError:
        limit = float("nan")
    if not name or not 0 <= limit <= 1:
        raise ConfigurationError(
            f"--fail-under {threshold}: give a type and a share, for example email=0.99, all=0.95 or {OVER}:code=0.01"
        )
    if name == OVER or name.startswith(f"{OVER}:"):
        kind = name.partition(":")[2]
        shares = {ALL: _total(score), **score.over_redaction}
        share = _held(shares, kind or ALL, threshold).share
        return f"{name} is {share:.4f}, above {limit:g}" if share > limit else None
    recalls = {ALL: score.total, **score.by_type}
    recall = _held(recalls, name, threshold).recall
    return f"{name}: recall is {recall:.4f}, below {limit:g}" if not recall >= limit else None


def _held(parts: dict, name: str, threshold: str):
    if name not in parts:
        raise ConfigurationError(
            f"--fail-under {threshold}: the set has no `{name}`; it has {', '.join(sorted(parts))}"
        )
    return parts[name]


def _total(score: Score) -> OverRedaction:
    parts = score.over_redaction.values()
    return OverRedaction(sum(part.characters for part in parts), sum(part.changed for part in parts))


def _recalls(name: str, recalls: dict[str, Recall]) -> Table:
    table = _table(name, "recall", "95% interval", "spans", "missed", "of it in part")
    for label, recall in recalls.items():
        if recall.spans:
            low, high = recall.interval()
            numbers = (f"{recall.recall:.3f}", f"{low:.3f}–{high:.3f}", f"{recall.spans:,}")
            missed = recall.partial + recall.left
            table.add_row(_text(label), *numbers, f"{missed:,}" if missed else "", f"{recall.partial or ''}")
    return table


def _over_redaction(score: Score) -> Table:
    table = _table("kind", "over-redaction", "characters", "changed")
    for kind, part in {**score.over_redaction, ALL: _total(score)}.items():
        table.add_row(_text(kind), f"{part.share:.2%}", f"{part.characters:,}", f"{part.changed:,}")
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _text(label: str):
    from rich.text import Text

    return Text(label)  # a name of the set such as `[B-PER]` would be read as markup
