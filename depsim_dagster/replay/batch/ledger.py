"""The calls of one run in batches: which are to be sent, which are open at the provider, and how they ended.

Only ids are held. An id is open from when its call goes into a file until it has a row; calls of an earlier run's open
batches are open from the start, and are not sent again when this run asks for them too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.call_intake import Counts
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.response_journal import Journal

if TYPE_CHECKING:
    from depsim_dagster.replay.budget.spending import Spending

QUEUE = "waiting for room in the provider's queue"


class Ledger(Counts):
    """Lives on one event loop. `spending` and `progress` are those of `engine.complete_calls`."""

    def __init__(
        self, journal: Journal, progress: Progress | None = None, spending: Spending | None = None
    ) -> None:
        super().__init__()
        self._journal, self._progress, self._spending = journal, progress, spending
        self._ended = journal.known_ids()
        self._open: set[str] = set()
        self._waited_for: set[str] = set()  # open, and asked for by this run
        self._tickets: dict[str, Any] = {}
        self._states: dict[str, tuple[str, int, int]] = {}  # file → its batch's state, calls done, calls

    def adopt(self, request_ids: Iterable[str]) -> None:
        """Take over what an earlier run has open at the provider, with its place in the budget."""
        for request in request_ids:
            if request not in self._ended and request not in self._open:
                self._open.add(request)
                if self._spending is not None:
                    self._tickets[request] = self._spending.adopt(request)

    def is_open(self, request_id: str) -> bool:
        return request_id in self._open

    def takes(self, call: ModelCall) -> bool:
        """Whether a call of this run has to be sent; it is open then.

        Raises BudgetError when the budget does not cover it; the call counts as not asked for.
        """
        request = call.request_id
        if call.subject is not None:
            self._journal.claim(request, call.subject)
        opened = request in self._open
        if request in self._waited_for or (not opened and request in self._ended):
            self.requested += 1
            self.reused += 1
            return False
        if self._spending is not None and not opened:
            self._tickets[request] = self._spending.admit(call)
        self.requested += 1
        self._waited_for.add(request)
        self._open.add(request)
        self.reused += opened
        self.sent += not opened
        return not opened

    def keep(self, outcome: Outcome) -> None:
        """Have the row of an open call in the journal, which puts it on disk in time."""
        self._journal.append(outcome)
        self._close(outcome.request_id, outcome)
        self._ended.add(outcome.request_id)
        self.add_outcome(outcome)

    def give_back(self, request_ids: Iterable[str]) -> list[str]:
        """Close calls without a row. Those that the run has yet to ask for are sent then; the others are returned."""
        given_back = [request for request in request_ids if request in self._open]
        passed = [request for request in given_back if request in self._waited_for]
        for request in given_back:
            self._close(request, None)
        return passed

    def waits(self, file: str, state: str | None, done: int = 0, calls: int = 0) -> None:
        """Say what a file waits for: the state of its batch, QUEUE for room at the provider, None for nothing more."""
        self._states.pop(file, None)
        if state is not None:
            self._states[file] = state, done, calls
        self.report()  # also when nothing has changed: who writes a line a minute waits for the next report

    def flush(self) -> None:
        """Put every row and claim on disk, and say so."""
        self._journal.flush()
        self.report()

    def report(self) -> None:
        if self._progress is not None:
            on_disk = self.requested - len(self._waited_for) - self._journal.buffered
            self._progress(on_disk, self.requested, self._waiting())

    def close(self) -> None:
        """Settle what ends without a row in this run. What stays open at the provider is adopted by the next."""
        for request in list(self._tickets):
            self._close(request, None)

    def _waiting(self) -> str:
        """What the run waits for, in a few words."""
        open_ = [batch for batch in self._states.values() if batch[0] != QUEUE]
        queued = [calls for state, _, calls in self._states.values() if state == QUEUE]
        said = []
        if open_:
            states = Counter(state for state, _, _ in open_)
            said.append(
                f"{len(open_)} open batch{'es' if len(open_) > 1 else ''} "
                f"({', '.join(f'{count} {state}' for state, count in sorted(states.items()))}): "
                f"{sum(done for _, done, _ in open_):,} of {sum(calls for *_, calls in open_):,} calls done"
            )
        if queued:
            said.append(f"{QUEUE}: {sum(queued):,} calls")
        return "; ".join(said)

    def _close(self, request_id: str, outcome: Outcome | None) -> None:
        self._open.discard(request_id)
        self._waited_for.discard(request_id)
        if (ticket := self._tickets.pop(request_id, None)) is not None:
            self._spending.settle(ticket, outcome)
