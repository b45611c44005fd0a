"""What was spent, and what may be: sums over the journals, reservations, several processes, erasures."""

import asyncio
import contextlib
import datetime as dt
import hashlib
import pickle
import threading
from pathlib import Path

import pytest

from depsim_dagster.config_sections import BudgetConfig, PriceConfig
from depsim_dagster.errors import BudgetError
from depsim_dagster.replay.budget import spending as spending_module
from depsim_dagster.replay.budget.spending import Prices, Spending
from depsim_dagster.replay.budget.spent import REMOVED, Amounts, JournalName, SpentOnDisk, keep_removed
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import ModelCall, chat_request
from depsim_dagster.replay.journal import segments
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.kept_answers import JOURNAL_SCHEMA
from depsim_dagster.replay.journal.removal import Doomed, count_answers, remove_answers
from depsim_dagster.replay.journal.response_journal import Journal, journal_directory

MODEL = JournalName("models", "org/m:1")
GRADER = JournalName("detector.grader", "g")
FILE = Path("study.yaml")


def named(number: int) -> str:
    """A request id as the product makes them."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def journal(root: Path, name: JournalName = MODEL) -> Journal:
    return Journal(journal_directory(root, name.endpoint, name.model))


def answer(number: int, prompt: int | None = 100, completion: int | None = 10, status: str = "ok") -> Outcome:
    return Outcome(named(number), status, "{}", prompt_tokens=prompt, completion_tokens=completion)


def kept(root: Path, *outcomes: Outcome, name: JournalName = MODEL) -> None:
    into = journal(root, name)
    for outcome in outcomes:
        into.append(outcome)
    into.flush()


def call(number: int, text: str = "hello", **sampling) -> ModelCall:
    body = chat_request("m", [{"role": "user", "content": text}], sampling=sampling)
    return ModelCall(named(number), body)


def budget(
    root: Path, name: JournalName = MODEL, batched: frozenset[str] = frozenset(), prices=None, **limits
) -> Spending:
    table = {"org/m:1": PriceConfig(input_per_million=1_000_000, output_per_million=2_000_000, per_call=0.5)}
    return Spending(root, BudgetConfig(**limits), Prices(prices or table, batched), name, FILE)


def in_another_process(spending: Spending, monkeypatch) -> Spending:
    """The same budget as a process of its own sees it."""
    with monkeypatch.context() as patch:
        patch.setattr(spending_module.os, "getpid", lambda: -1)
        return pickle.loads(pickle.dumps(spending))


def test_sums_are_those_of_the_segments_and_grow_with_new_ones(tmp_path):
    kept(tmp_path, answer(1), answer(2, None, None, "failed"))
    kept(tmp_path, answer(3, 7, 3), name=GRADER)
    spent = SpentOnDisk(tmp_path)
    spent.refresh()
    assert spent.amounts == {MODEL: Amounts(2, 100, 10), GRADER: Amounts(1, 7, 3)}
    kept(tmp_path, answer(4, 1, 1))
    new = []
    spent.refresh(lambda name, ids: new.extend((name, identity) for identity in ids))
    assert spent.amounts[MODEL] == Amounts(3, 101, 11)
    assert new == [(MODEL, named(4))]


def take_turn(into: Journal) -> None:
    async def turn():
        async with into.alone():
            pass

    asyncio.run(turn())


@contextlib.contextmanager
def dying(deleted: int):
    """What is done in here dies when it has deleted so many segments."""
    unlink, left = segments.Path.unlink, [deleted]

    def delete(self, missing_ok=False):
        if self.suffix == ".parquet":
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        unlink(self, missing_ok=missing_ok)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(segments.Path, "unlink", delete)
        yield


@pytest.mark.parametrize("deleted", [None, 0, 7])
def test_merging_segments_changes_no_sum(tmp_path, monkeypatch, deleted):
    """Also where the process died when it had deleted so many of the old ones, and merges again later."""
    monkeypatch.setattr(segments, "MOST_SMALL", 10)
    into, spent = journal(tmp_path), SpentOnDisk(tmp_path)
    for number in range(12):
        into.append(answer(number))
        into.flush()
    spent.refresh()
    if deleted is not None:
        with dying(deleted):
            take_turn(into)
        assert len(into.segments()) == 13 - deleted
    for more in range(12, 32):
        for looked in (spent, SpentOnDisk(tmp_path)):
            looked.refresh()
            assert looked.amounts[MODEL] == Amounts(more, 100 * more, 10 * more)
        into.append(answer(more))
        into.flush()
        take_turn(into)
    assert len(into.segments()) < 10


@pytest.mark.parametrize("turn", ["a", "b"])
def test_an_erasure_that_was_cut_short_counts_what_it_kept_once(tmp_path, turn):
    into = journal(tmp_path)
    for number, whose in ((1, "a"), (2, "b"), (3, "a")):
        into.claim(named(number), Subject("2026-01-05", whose, "user"))
        into.append(answer(number, 10**number, number))
    into.flush()
    with dying(0):
        remove_answers(into.directory, Doomed(turns=[turn]))
    assert len(into.segments()) == 2
    for _ in range(2):
        spent = SpentOnDisk(tmp_path)
        spent.refresh()
        assert spent.amounts == {MODEL: Amounts(3, 1110, 6)}
        remove_answers(into.directory, Doomed(turns=[turn]))
        assert count_answers(into.directory, Doomed(turns=["a", "b"])) == (1 if turn == "a" else 2)
    assert len(into.segments()) == 1


def test_no_journal_is_nothing_spent(tmp_path):
    spent = SpentOnDisk(tmp_path / "none")
    spent.refresh()
    assert spent.amounts == {}


@pytest.mark.parametrize("cut_short", [False, True])
def test_an_erasure_refills_no_budget(tmp_path, cut_short, monkeypatch):
    into = journal(tmp_path)
    for number, turn in ((1, "a"), (2, "b"), (3, "a")):
        into.claim(named(number), Subject("2026-01-05", turn, "user"))
        into.append(answer(number, 10**number, number))
        into.flush()
    if cut_short:  # died after the note and before the segment was touched
        keep_removed(into.directory, into.segments()[0].name, Amounts(50, 50, 50))
        with open(into.directory / REMOVED, "a") as file:
            file.write('\n{"segment": "half')
    assert remove_answers(into.directory, Doomed(turns=["a"])) == 2
    spent = SpentOnDisk(tmp_path)
    spent.refresh()
    assert spent.amounts == {MODEL: Amounts(3, 1110, 6)}
    assert "user" not in (into.directory / REMOVED).read_text()
    remove_answers(into.directory, Doomed(turns=["b"], unclaimed_before=dt.datetime.now(dt.UTC)))
    spent.refresh()
    assert spent.amounts == {MODEL: Amounts(3, 1110, 6)} and into.segments() == []


def test_calls_are_exact_with_those_in_flight(tmp_path):
    kept(tmp_path, answer(1), answer(2))
    spending = budget(tmp_path, calls=5)
    tickets = [spending.admit(call(number)) for number in (3, 4, 5)]
    with pytest.raises(
        BudgetError,
        match=r"study.yaml: budget.calls: 5 of 5 calls are spent.*Raise budget.calls and run again",
    ):
        spending.admit(call(6))
    spending.settle(tickets[0], None)  # it came to nothing, so there is room for one
    ticket = spending.admit(call(6))
    spending.settle(ticket, answer(6))
    spending.settle(ticket, answer(6))  # twice counts once
    with pytest.raises(BudgetError):
        spending.admit(call(7))


def test_what_is_written_is_not_counted_beside_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(spending_module, "REFRESH_SECONDS", 0.0)
    spending = budget(tmp_path, calls=100)
    for number in range(99):
        ticket = spending.admit(call(number))
        if number % 2:  # written before it is settled, and after
            kept(tmp_path, answer(number))
            spending.settle(ticket, answer(number))
        else:
            spending.settle(ticket, answer(number))
            kept(tmp_path, answer(number))
    spending.admit(call(99))
    with pytest.raises(BudgetError, match="100 of 100 calls"):
        spending.admit(call(100))


def test_an_answer_that_was_written_before_it_was_told_takes_no_place_twice(tmp_path, monkeypatch):
    """Worker processes write answers, and say so afterwards."""
    monkeypatch.setattr(spending_module, "REFRESH_SECONDS", 0.0)
    spending = budget(tmp_path, calls=5)
    tickets = [spending.admit(call(number)) for number in range(4)]
    kept(tmp_path, answer(0), answer(1), answer(2))
    spending.admit(call(4))
    for number, ticket in enumerate(tickets):
        spending.settle(ticket, answer(number))
    with pytest.raises(BudgetError, match="5 of 5 calls"):
        spending.admit(call(5))


def test_a_merge_makes_no_call_that_is_repeated_look_answered(tmp_path, monkeypatch):
    monkeypatch.setattr(spending_module, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(segments, "MOST_SMALL", 2)
    for number in range(3):
        kept(tmp_path, answer(number, status="failed"))
    spending = budget(tmp_path, calls=4)
    spending.admit(call(1))
    segments.merge_small(journal(tmp_path).directory, JOURNAL_SCHEMA)
    assert len(journal(tmp_path).segments()) == 1
    with pytest.raises(BudgetError, match="4 of 4 calls"):
        spending.admit(call(9))


def test_a_limit_of_money_is_reached_though_floats_are_no_decimals(tmp_path):
    spending = budget(tmp_path, prices={"org/m:1": PriceConfig(per_call=0.1)}, money=0.3)
    for number in range(3):
        spending.admit(call(number))
    with pytest.raises(BudgetError, match="0.3 of 0.3 USD"):
        spending.admit(call(3))
    free = budget(tmp_path / "free", prices={"org/m:1": PriceConfig()}, money=0)
    assert [free.admit(call(number)) for number in range(3)]


def test_all_calls_of_a_process_share_one_budget(tmp_path):
    one, other = budget(tmp_path, calls=2), budget(tmp_path, GRADER, calls=2)
    one.admit(call(1))
    other.admit(call(2))
    for spending in (one, other, budget(tmp_path, calls=2)):
        with pytest.raises(BudgetError):
            spending.admit(call(3))


def test_another_process_is_seen_when_its_answers_are_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(spending_module, "REFRESH_SECONDS", 0.0)
    here = budget(tmp_path, calls=4)
    there = in_another_process(here, monkeypatch)
    tickets = [there.admit(call(number)) for number in range(3)]
    here.admit(call(10))  # three of the other's are in flight: nobody sees them here
    here.admit(call(11))
    for number, ticket in enumerate(tickets):
        there.settle(ticket, answer(number))
        kept(tmp_path, answer(number))
    with pytest.raises(
        BudgetError, match="5 of 4 calls"
    ):  # over by what both had in flight, and then it ends
        here.admit(call(12))
    with pytest.raises(BudgetError):
        there.admit(call(13))
        there.admit(call(14))


def test_tokens_count_both_ways_and_the_estimate_learns(tmp_path):
    spending = budget(tmp_path, tokens=20_000)
    text = "x" * 400
    ticket = spending.admit(call(0, text, max_tokens=500))
    assert 100 <= ticket.estimate.prompt_tokens <= 120 and ticket.estimate.completion_tokens == 500
    spending.settle(ticket, answer(0, 200, 20))
    for number in range(1, spending_module.SEEN):
        spending.settle(spending.admit(call(number, text, max_tokens=500)), answer(number, 200, 20))
    learnt = spending.admit(call(99, text * 2, max_tokens=500))
    assert learnt.estimate.completion_tokens == 20  # the mean, not the limit
    assert 350 <= learnt.estimate.prompt_tokens <= 400  # twice as long as those that took 200
    spending.settle(learnt, None)
    admitted = []
    with pytest.raises(BudgetError, match=r"budget.tokens: 1[0-9],... of 20,000 tokens are spent"):
        while True:
            admitted.append(spending.admit(call(100 + len(admitted), text, max_tokens=500)))
    spent = spending_module._totals_of(tmp_path.resolve()).used()[MODEL].tokens
    assert 20_000 - 220 < spent <= 20_000 and len(admitted) == (20_000 - 50 * 220) // 220


def test_money_is_priced_by_model_and_halved_in_batches(tmp_path):
    kept(tmp_path, answer(1, 2, 1), answer(2, 0, 0))  # (2 + 2 + 0.5) + 0.5 = 5 in the price table of `budget`
    kept(tmp_path, answer(3, 1_000, 1_000), name=JournalName("other", "without a price"))
    prices = Prices({"org/m:1": PriceConfig(input_per_million=1e6, output_per_million=2e6, per_call=0.5)})
    assert prices.money({MODEL: Amounts(2, 2, 1)}) == 5.0
    assert prices.price(JournalName("other", "x"), Amounts(9)) is None
    halved = Prices(prices.table, frozenset({"models"}))
    assert halved.money({MODEL: Amounts(2, 2, 1)}) == 2.5
    detector = JournalName("detector.models", "org/m:1")
    assert halved.money({detector: Amounts(2, 2, 1)}) == 2.5
    with pytest.raises(BudgetError, match=r"budget.money: 5 of 5.25 EUR are spent"):
        budget(tmp_path, money=5.25, currency="EUR").admit(call(4))
    budget(tmp_path, money=50.25, currency="EUR").admit(call(4, "hi", max_tokens=1))


def test_a_raised_budget_goes_on(tmp_path):
    kept(tmp_path, answer(1))
    with pytest.raises(BudgetError):
        budget(tmp_path, calls=1).admit(call(2))
    budget(tmp_path, calls=2).admit(call(2))


def test_threads_never_get_more_than_there_is(tmp_path):
    spending, got = budget(tmp_path, calls=500), []

    def take(first: int) -> None:
        try:
            for number in range(first, first + 400):
                spending.settle(spending.admit(call(number)), answer(number))
                got.append(number)
        except BudgetError:
            pass

    threads = [threading.Thread(target=take, args=(1_000 * place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 500


@pytest.mark.parametrize("workers", [1, 2])
def test_the_engine_ends_what_is_under_way_and_sends_no_more(server, endpoint, tmp_path, workers):
    """A call in flight is paid for whether or not anybody waits for its answer."""
    root = tmp_path / "journals"
    into = journal(root, JournalName("local", "org/m:1"))
    calls = [call(number, str(number)) for number in range(100)]
    spending = budget(root, JournalName("local", "org/m:1"), calls=20)
    with pytest.raises(BudgetError, match="20 of 20 calls are spent"):
        complete_calls(endpoint(max_in_flight=8, workers=workers), calls, into, spending=spending)
    assert server.requests == 20 == len(into.known_ids())
    raised = budget(root, JournalName("local", "org/m:1"), calls=100)
    done = complete_calls(endpoint(max_in_flight=8), calls, into, spending=raised)
    assert (done.sent, done.reused) == (80, 20) and server.requests == 100
    complete_calls(
        endpoint(), calls, into, spending=raised
    )  # nothing is left to ask for, so nothing is refused
    assert server.requests == 100


@pytest.mark.parametrize("workers", [1, 2])
def test_estimates_that_fill_the_budget_make_the_next_call_wait(server, endpoint, tmp_path, workers):
    """The budget covers all calls, and not what those at a time may take at most."""
    name = JournalName("local", "org/m:1")
    server.latency_s = 0.05
    calls = [call(number, str(number), max_tokens=1_000) for number in range(5)]
    spending = budget(tmp_path, name, tokens=4_000)
    settings = endpoint(max_in_flight=8, workers=workers)
    done = complete_calls(settings, calls, journal(tmp_path, name), spending=spending)
    assert done.sent == 5 and server.most_at_once <= 3
    assert spending_module._totals_of(tmp_path.resolve()).used()[name] == Amounts(5, 35, 15)
    if workers > 1:
        return
    with pytest.raises(BudgetError, match="50 of 55 tokens are spent"):  # and not what nobody waits for
        complete_calls(
            settings,
            [call(9, max_tokens=1_000)],
            journal(tmp_path, name),
            spending=budget(tmp_path, name, tokens=55),
        )
