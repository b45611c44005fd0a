"""The two ends of a run: what is taken in (claims, known answers, the budget) and what is counted.

Both hold whether the calls are then made by this process or by worker processes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from depsim_dagster.errors import BudgetError, EndpointError
from depsim_dagster.replay.calls.endpoints import Endpoint, unreachable
from depsim_dagster.replay.calls.exchange import TIMEOUT
from depsim_dagster.replay.calls.in_flight import DEADLINE, PendingCall
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.response_journal import Journal

if TYPE_CHECKING:
    from depsim_dagster.replay.budget.spending import Spending

# When none of so many first calls got any response, there is no server and the rest would fail alike.
UNREACHABLE_AFTER = 50
SKIPS_PER_TURN = 1000


@dataclass(frozen=True)
class CallStatistics:
    """What a run did.

    requested = reused + sent: calls taken from the iterator, those that the journal (or this run) already
    had, and those that were made. retries: HTTP requests beyond one per call. by_status, tokens: of the calls
    sent in this run.
    """

    requested: int = 0
    reused: int = 0
    sent: int = 0
    retries: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class Counts:
    """What a run did so far."""

    def __init__(self) -> None:
        self.requested = self.reused = self.sent = self.retries = 0
        self._by_status: Counter[str] = Counter()
        self._prompt_tokens = self._completion_tokens = 0

    def add_outcome(self, outcome: Outcome) -> None:
        self._by_status[outcome.status] += 1
        self._prompt_tokens += outcome.prompt_tokens or 0
        self._completion_tokens += outcome.completion_tokens or 0

    def statistics(self, seconds: float) -> CallStatistics:
        return CallStatistics(
            requested=self.requested,
            reused=self.reused,
            sent=self.sent,
            retries=self.retries,
            by_status=dict(sorted(self._by_status.items())),
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            seconds=seconds,
        )


class Tally(Counts):
    """Counts what was asked for and what came of it, and reports how much of it is on disk. A call is `sent` when it has
    ended."""

    def __init__(
        self, endpoint: Endpoint, journal: Journal, progress: Callable[[int, int], None] | None
    ) -> None:
        super().__init__()
        self.heard = False  # the server gave a response to some attempt, whatever it said
        self._endpoint = endpoint
        self._journal = journal
        self._progress = progress
        self._faults: Counter[str] = Counter()

    def count(self, outcome: Outcome) -> None:
        self.sent += 1
        self.retries += max(outcome.attempts - 1, 0)
        self.add_outcome(outcome)
        if not self.heard:
            self._faults[outcome.error_code or ""] += 1

    def report(self) -> None:
        if self._progress is not None:
            self._progress(self.reused + self.sent - self._journal.buffered, self.requested)

    def raise_if_unreachable(self, after: int = UNREACHABLE_AFTER) -> None:
        """EndpointError when at least `after` calls ended and the server never gave a response to any
        attempt."""
        if not self.heard and self._faults.total() >= after:
            code, _ = self._faults.most_common(1)[0]
            code = TIMEOUT if code == DEADLINE else code
            raise EndpointError(
                f"{unreachable(self._endpoint, code)} (first {self._faults.total()} calls all failed)"
            )


class CallIntake:
    """The caller's calls that have to be made (in_flight.CallSource): claimed, not known, and within the budget.

    claim_sent: claim those that are to be made, too; False where whoever makes them does, before it has an answer.
    """

    def __init__(
        self,
        calls: Iterable[ModelCall],
        journal: Journal,
        tally: Tally,
        spending: Spending | None,
        claim_sent: bool = True,
    ) -> None:
        self.exhausted = False
        self._claim_sent = claim_sent
        self._calls = iter(calls)
        self._journal = journal
        self._tally = tally
        self._spending = spending
        self._taken = journal.known_ids()
        self._open: set[PendingCall] = set()
        self._held: ModelCall | None = None  # the budget does not cover it for now

    async def take(self) -> PendingCall | None:
        """The next call that has to be made; None when there is none before another has ended. Raises BudgetError when
        it is not covered."""
        if self._held is not None:
            return self._admitted(self._held)
        skipped = 0
        for call in self._calls:
            self._tally.requested += 1
            known = call.request_id in self._taken
            if call.subject is not None and (known or self._claim_sent):
                self._journal.claim(call.request_id, call.subject)
            if not known:
                return self._admitted(call)
            self._tally.reused += 1
            skipped += 1
            if skipped % SKIPS_PER_TURN == 0:
                await asyncio.sleep(0)  # a long known stretch must not starve the calls in flight
        self.exhausted = True
        return None

    def _admitted(self, call: ModelCall) -> PendingCall | None:
        pending = PendingCall(call.request_id, call.encoded(), call.subject)
        if self._spending is not None:
            try:
                pending.ticket = self._spending.admit(call)
            except BudgetError as error:
                if not (error.for_now and self._open):
                    raise
                self._held = call
                return None
            self._open.add(pending)
        self._held = None
        self._taken.add(call.request_id)
        return pending

    def settle(self, call: PendingCall, outcome: Outcome | None) -> None:
        """Tell the budget how a call ended (None: it was never answered)."""
        if self._spending is not None and call in self._open:
            self._open.discard(call)
            self._spending.settle(call.ticket, outcome)

    def abandon(self) -> None:
        """Settle what the end of the run left without an outcome."""
        for call in list(self._open):
            self.settle(call, None)
