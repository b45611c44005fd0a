"""A budget that a run crosses: it stops with one message, keeps what was answered, and goes on when it is raised."""

import json
import urllib.request
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from small_study import TWO_WEEKS, write_study

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.errors import BudgetError
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.privacy.erasure.forget import forget
from depsim_dagster.replay.budget.spent import Amounts, JournalName, SpentOnDisk
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.study_run import QUIET_LOGS
from depsim_dagster.traffic.pseudonyms import pseudonym

WEEK = "2026-01-12"

PRICES = {
    model: {"input_per_million": 2.0, "output_per_million": 8.0}
    for model in ("sandbox-v1", "sandbox-v2", "sandbox-grader")
}


def served(study: Study) -> int:
    """Completions that the sandbox has made for anybody; one server serves every study on the same world."""
    base = study.endpoint("sandbox").base_url.removesuffix("/v1")
    with urllib.request.urlopen(f"{base}/sandbox/stats") as answer:
        return sum(json.load(answer)["completions_by_model"].values())


def spent(study: Study) -> dict[JournalName, Amounts]:
    on_disk = SpentOnDisk(study.lake.journal_directory)
    on_disk.refresh()
    return on_disk.amounts


def simulate(study: Study) -> None:
    """Sample one week and simulate both models on it, as runs of the study's own jobs."""
    definitions = build_definitions(study.config, study.config.file)
    partitions = [("traffic", WEEK)] + [
        ("simulation", dg.MultiPartitionKey({"week": WEEK, "model": model}))
        for model in ("sandbox-v2", "sandbox-v1")
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        for job, key in partitions:
            definitions.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=key, run_config=QUIET_LOGS
            )


def stopped(file: Path) -> str:
    result = CliRunner().invoke(main, ["study", "run", "-c", str(file)])
    assert result.exit_code == 1, result.output
    return result.stderr


@pytest.fixture(scope="module")
def unlimited(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, int]:
    """A study that was simulated under a budget it does not reach, and how many calls the server saw of it."""
    budget = {"calls": 10_000, "money": 1000.0, "currency": "EUR", "prices": PRICES}
    folder = tmp_path_factory.mktemp("shared")
    file = write_study(folder / "one", small_world, name="one", journal="../journal", budget=budget)
    study = Study(load_study(file))
    before = served(study)
    simulate(study)
    return study, served(study) - before


def test_a_run_stops_at_its_budget_and_goes_on_when_it_is_raised(unlimited, small_world, tmp_path):
    other, needed = unlimited
    file = write_study(tmp_path, small_world, weeks=TWO_WEEKS, budget={"calls": 130})
    study = Study(load_study(file))
    before = served(study)
    errors = stopped(file)
    # 120 calls of the first simulation's replay, then ten of its grading: the next one is not sent.
    assert errors.splitlines() == [
        f"error: {file}: budget.calls: 130 of 130 calls are spent, and the next call of `sandbox-grader` would take about "
        "1. Raise budget.calls and run again: every answer is kept, and only unanswered calls are sent"
    ]
    assert served(study) - before == 130 == sum(amounts.calls for amounts in spent(study).values())
    published = list(study.lake.published(REGENERATED_COMPLETIONS)), list(study.lake.published(GRADED_LABELS))
    assert [len(partitions) for partitions in published] == [1, 0]
    assert not [path for path in study.lake.root.rglob("*") if path.name.endswith(".tmp")]
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster_home")) as instance:
        (failed,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        (event,) = instance.all_logs(failed.run_id, dg.DagsterEventType.STEP_FAILURE)
        raised = event.get_dagster_event().step_failure_data.error.cause
        assert raised.cls_name == "BudgetError" and raised.cause is None and raised.context is None
        assert raised.message.strip().endswith(errors.strip().removeprefix("error: "))

    with pytest.raises(BudgetError):
        simulate(study)  # asked again, it stops again, and nothing is sent
    assert served(study) - before == 130

    raised_to = yaml.safe_load(file.read_text()) | {"budget": {"calls": needed}}
    file.write_text(yaml.safe_dump(raised_to))
    simulate(Study(load_study(file)))
    assert served(study) - before == needed and spent(study) == spent(other)


def test_a_second_study_on_the_same_journal_pays_nothing(unlimited, small_world):
    """Another store and the same questions: the shared journal answers them, and the budget is that of the journal."""
    one, needed = unlimited
    folder = one.config.directory.parent / "two"
    file = write_study(folder, small_world, name="two", journal="../journal", budget={"calls": needed})
    two = Study(load_study(file))
    before, paid = served(one), spent(one)
    simulate(two)
    assert (
        served(one) == before
        and spent(two) == paid
        and sum(amounts.calls for amounts in paid.values()) == needed
    )
    assert {path.name for path in two.lake.root.iterdir()}.isdisjoint({"_journal", "journal"})
    assert one.lake.journal_directory.stat().st_mode & 0o077 == 0  # as closed as a store
    labels = [study.lake.read(GRADED_LABELS, {"week": WEEK, "model": "sandbox-v2"}) for study in (one, two)]
    assert labels[0].select(["turn_id", "flagged"]).equals(labels[1].select(["turn_id", "flagged"]))

    # What one forgets is gone from the journal of both, and what it cost stays spent.
    user = labels[0].column("user_id")[0].as_py()
    (account,) = (
        name for name in accounts(small_world) if pseudonym(one.config.hmac_key, "user", name) == user
    )
    removed = {table.table: table.rows for table in forget(one, [account]).removed}
    assert removed["response_journal"] > 0 and spent(two) == paid
    held = sum(len(one.journal(journal.endpoint, journal.model).known_ids()) for journal in paid)
    assert held == needed - removed["response_journal"]


def accounts(world: Path) -> set[str]:
    return {
        user
        for file in (world / "traffic").glob("*.parquet")
        for user in pq.ParquetFile(file).read(columns=["user_id"]).column("user_id").to_pylist()
        if user
    }


@pytest.mark.parametrize("missing", ["sandbox-v2", "sandbox-grader"])
def test_money_needs_a_price_for_every_model(missing, small_world, tmp_path):
    prices = {model: price for model, price in PRICES.items() if model != missing}
    file = write_study(tmp_path, small_world, budget={"money": 1.0, "prices": prices})
    result = CliRunner().invoke(main, ["study", "status", "-c", str(file)])
    assert result.exit_code == 1 and f"budget.prices: no price for `{missing}`" in result.stderr
