"""The budget, asked before every call: what was spent, what is in flight, and whether the next call fits.

Spent is what the journals hold (spent.py) with this process' answers that are not on disk yet. A call in flight counts
as its estimate: the prompt by its length, the answer by the mean of this model's answers, or by its token limit until
SEEN answers are known. Where it is these estimates that fill the budget, the next call waits for calls in flight to end.
`calls` is exact. `tokens` and `money` can be exceeded by what the calls in flight take beyond their estimates; what a
lost attempt cost at the provider, nobody tells. Several processes see each other's answers when they are on disk,
REFRESH_SECONDS late at most: together they can exceed a budget by what they have in flight and what they answered in about
REFRESH_SECONDS + the journal's FLUSH_SECONDS.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from depsim_dagster.config_sections import BudgetConfig, PriceConfig
from depsim_dagster.errors import BudgetError
from depsim_dagster.replay.budget.spent import Amounts, JournalName, SpentOnDisk
from depsim_dagster.replay.budget.tokens import prompt_tokens
from depsim_dagster.replay.dialects.embeddings import asks_for_embedding
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import ModelCall

REFRESH_SECONDS = 2.0
SEEN = 50  # answers from which their mean is a better guess than a limit or a length
UNLIMITED_ANSWER = 1024  # tokens of an answer without a limit, until there are answers to learn from
TOKEN_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
ROUNDING = 1e-9  # of a limit: three times 0.1 is 0.3 to everybody but a computer
NOTHING = Amounts()
DETECTOR = "detector."  # journals of detectors are named after their endpoint, with this in front


@dataclass
class Ticket:
    """A call that was admitted and is not settled."""

    request_id: str
    estimate: Amounts
    length: int  # of the prompt in tokens, by its bytes
    open: bool = True
    on_disk: bool = False


@dataclass
class _InProcess:
    """What this process adds to one journal: calls in flight with their estimates, answers that were not seen on disk,
    and what its answers so far took, beside the length of their prompts."""

    tickets: dict[str, Ticket] = field(default_factory=dict)
    in_flight: Amounts = Amounts()
    answered: dict[str, Amounts] = field(default_factory=dict)
    unseen: Amounts = Amounts()
    counted: Amounts = Amounts()
    counted_length: int = 0


class _Totals:
    """One folder of journals as this process sees it; all its `Spending` objects share it."""

    def __init__(self, root: Path) -> None:
        self.lock = threading.Lock()
        self.disk = SpentOnDisk(root)
        self.here: dict[JournalName, _InProcess] = {}
        self._looked = float("-inf")

    def refresh(self, older_than: float) -> None:
        if time.monotonic() - self._looked < older_than:
            return
        waiting = any(part.answered or part.tickets for part in self.here.values())
        self.disk.refresh(self._on_disk_now if waiting else None)
        self._looked = time.monotonic()

    def _on_disk_now(self, journal: JournalName, request_ids: Iterable[str]) -> None:
        part = self.here.get(journal)
        if part is None:
            return
        for request_id in request_ids:
            if (amounts := part.answered.pop(request_id, None)) is not None:
                part.unseen += negative(amounts)
            elif (ticket := part.tickets.pop(request_id, None)) is not None:  # written before it was settled
                ticket.on_disk = True
                part.in_flight += negative(ticket.estimate)

    def used(self) -> dict[JournalName, Amounts]:
        """Spent and in flight."""
        used = dict(self.disk.amounts)
        for journal, part in self.here.items():
            used[journal] = used.get(journal, Amounts()) + part.unseen + part.in_flight
        return used


_totals: dict[tuple[int, Path], _Totals] = {}
_totals_lock = threading.Lock()


def _totals_of(root: Path) -> _Totals:
    with _totals_lock:
        return _totals.setdefault((os.getpid(), root), _Totals(root))


@dataclass(frozen=True)
class Prices:
    """The price table, with the endpoints whose calls go in batches."""

    table: Mapping[str, PriceConfig]
    batched: frozenset[str] = frozenset()

    def price(self, journal: JournalName, amounts: Amounts) -> float | None:
        """What these calls cost; None without a price. What was answered before an endpoint changed to batches, or
        back, counts as if it had been so all the time."""
        price = self.table.get(journal.model)
        if price is None:
            return None
        factor = price.batch_factor if journal.endpoint.removeprefix(DETECTOR) in self.batched else 1.0
        return factor * (
            amounts.prompt_tokens * price.input_per_million / 1e6
            + amounts.completion_tokens * price.output_per_million / 1e6
            + amounts.calls * price.per_call
        )

    def money(self, used: Mapping[JournalName, Amounts]) -> float:
        """What has a price costs so much."""
        return sum(self.price(journal, amounts) or 0.0 for journal, amounts in used.items())


class Spending:
    """The budget as the calls of one model at one endpoint meet it. Thread-safe; a copy in another process counts by
    itself and sees the others on disk."""

    def __init__(
        self, root: Path, budget: BudgetConfig, prices: Prices, journal: JournalName, study_file: Path
    ) -> None:
        self._arguments = (root, budget, prices, journal, study_file)
        self._budget, self._prices, self._journal, self._file = budget, prices, journal, study_file
        self._totals = _totals_of(root.resolve())
        self._counts_tokens = budget.tokens is not None or budget.money is not None
        with self._totals.lock:
            # The first look reads every segment; better here than in a call.
            self._totals.refresh(REFRESH_SECONDS)
            self._here = self._totals.here.setdefault(journal, _InProcess())

    def __reduce__(self) -> tuple[type[Spending], tuple[object, ...]]:
        return Spending, self._arguments

    def admit(self, call: ModelCall) -> Ticket:
        """Reserve what a call may take.

        Raises:
            BudgetError: the budget does not cover it. What is in flight should be waited for: it is paid for, and may
                leave room (`for_now`).
            LakeError: a journal cannot be read.
        """
        length = prompt_tokens(call.body) if self._counts_tokens else 0
        totals, here = self._totals, self._here
        with totals.lock:
            totals.refresh(REFRESH_SECONDS)
            ticket = Ticket(call.request_id, self._estimate(call, length), length)
            if problem := self._problem(ticket.estimate):
                # As if the answers under way, as many as they are, took no token.
                reserved = replace(here.in_flight, calls=0)
                if reserved.tokens and self._problem(ticket.estimate, reserved) is None:
                    raise BudgetError(problem, for_now=True)
                totals.refresh(0.0)  # an erasure may have been at work when it was last read
                if problem := self._problem(ticket.estimate):
                    raise BudgetError(problem)
            return self._reserved(ticket)

    def adopt(self, request_id: str) -> Ticket:
        """Reserve what a call takes that an earlier process has under way, in a batch: it is paid for in any case."""
        with self._totals.lock:
            self._totals.refresh(REFRESH_SECONDS)
            prompt, answer = self._means() or (0, UNLIMITED_ANSWER)
            return self._reserved(
                Ticket(request_id, Amounts(1, prompt, answer) if self._counts_tokens else Amounts(1), 0)
            )

    def settle(self, ticket: Ticket, outcome: Outcome | None) -> None:
        """Count the outcome in place of the estimate; None for a call that ended without one."""
        here = self._here
        with self._totals.lock:
            if not ticket.open:
                return
            ticket.open = False
            if not ticket.on_disk:
                here.in_flight += negative(ticket.estimate)
                here.tickets.pop(ticket.request_id, None)
            if outcome is None:
                return
            took = Amounts(1, outcome.prompt_tokens or 0, outcome.completion_tokens or 0)
            if not ticket.on_disk:
                here.answered[ticket.request_id] = here.answered.get(ticket.request_id, Amounts()) + took
                here.unseen += took
            if outcome.prompt_tokens and ticket.length:
                here.counted += took
                here.counted_length += ticket.length

    def _reserved(self, ticket: Ticket) -> Ticket:
        self._here.in_flight += ticket.estimate
        self._here.tickets[ticket.request_id] = ticket
        return ticket

    def _means(self) -> tuple[int, int] | None:
        """Tokens of a prompt and of an answer, once so many answers are known; those of this process where it has them."""
        for known in (self._here.counted, self._totals.disk.amounts.get(self._journal, NOTHING)):
            if known.calls >= SEEN and known.completion_tokens:
                return -(-known.prompt_tokens // known.calls), -(-known.completion_tokens // known.calls)
        return None

    def _estimate(self, call: ModelCall, length: int) -> Amounts:
        if not self._counts_tokens:
            return Amounts(1)
        counted, known = self._here.counted, self._here.counted_length
        if asks_for_embedding(call.body):
            return Amounts(1, length, 0)
        if means := self._means():
            if counted.calls >= SEEN and known:
                length = -(-length * counted.prompt_tokens // known)
            return Amounts(1, length, means[1])
        limits = (call.body.get(name) for name in TOKEN_LIMITS)
        limit = next((value for value in limits if isinstance(value, int)), UNLIMITED_ANSWER)
        return Amounts(1, length, limit)

    def _problem(self, estimate: Amounts, without: Amounts = NOTHING) -> str | None:
        """Why the budget does not cover one more call, or None. `without`: a part of what is in flight here."""
        budget, used = self._budget, self._totals.used()
        used[self._journal] += negative(without)
        total = sum(used.values(), Amounts())
        asks = self._prices.price(self._journal, estimate) or 0.0
        money = self._prices.money(used) if budget.money is not None else 0.0
        for key, limit, taken, more in (
            ("calls", budget.calls, total.calls, 1),
            ("tokens", budget.tokens, total.tokens, estimate.tokens),
            ("money", budget.money, money, asks),
        ):
            if limit is not None and taken + more > limit * (1 + ROUNDING):
                unit = budget.currency if key == "money" else key
                return (
                    f"{self._file}: budget.{key}: {_number(taken)} of {_number(limit)} {unit} are spent, and the next call "
                    f"of `{self._journal.model}` would take about {_number(more)}. Raise budget.{key} and run again: every "
                    "answer is kept, and only unanswered calls are sent"
                )
        return None


def negative(amounts: Amounts) -> Amounts:
    return Amounts(-amounts.calls, -amounts.prompt_tokens, -amounts.completion_tokens)


def _number(value: float) -> str:
    if isinstance(value, int) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value >= 1 else f"{value:.4g}"
