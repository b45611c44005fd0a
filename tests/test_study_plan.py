"""The plan against what a run then sends: calls exactly, tokens within a stated tolerance, and nothing is called."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from small_study import SMALL_STUDY, write_study

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.plan import calls as plan_calls
from depsim_dagster.plan.study_plan import Limit, PlanRow, Resolution, StudyPlan, study_plan
from depsim_dagster.plan.table import plan_lines, plan_table
from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.privacy.gates.canaries import Canaries
from depsim_dagster.replay.budget.spent import JournalName, SpentOnDisk
from depsim_dagster.replay.calls import embedded
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import chat_request
from depsim_dagster.study import Study
from depsim_dagster.study_run import study_steps
from depsim_dagster.study_status import unpriced_models
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

LENGTH_ALONE = 0.30  # tolerance of prompt tokens by their bytes: tools, schema and template are taken roughly
LEARNT = 0.10  # and by the earlier answers of the model to about as many other prompts
TRAFFIC_TABLES = (
    "turn_index",
    "ingested_files",
    "rejected_records",
    "sampled_traffic",
    "sampling_funnel",
    "deidentified_prefixes",
)
GRADER = {"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"}


def plan_of(directory: Path, world: Path, **changes: object) -> tuple[Study, StudyPlan]:
    study = Study(load_study(write_study(directory, world, **changes)))
    study.prepare_store()
    return study, study_plan(study)


def with_tables(directory: Path, finished: Path, *tables: str) -> None:
    """What the finished study had published at some time before its end."""
    for table in (*TRAFFIC_TABLES, *tables):
        shutil.copytree(finished.parent / "store" / table, directory / "store" / table)


def by_journal(plan: StudyPlan, what: str = "calls") -> dict[JournalName, int]:
    sums: dict[JournalName, int] = {}
    for row in plan.rows:
        name = JournalName(row.endpoint, row.model)
        sums[name] = sums.get(name, 0) + getattr(row, what)
    return sums


@pytest.fixture(scope="module")
def paid(finished_study: Path):
    """What the finished study has sent, by journal."""
    on_disk = SpentOnDisk(Study(load_study(finished_study)).lake.journal_directory)
    on_disk.refresh()
    return on_disk.amounts


def test_before_anything_is_sampled_it_is_an_upper_bound(paid, small_world, tmp_path):
    served = dict(embedded._servers)
    study, plan = plan_of(tmp_path, small_world)
    assert [(row.stage, row.model, row.to_make) for row in plan.rows] == [
        ("replay candidate", "sandbox-v2", 120),
        ("grade simulated", "sandbox-grader", 240),
        ("replay predecessor", "sandbox-v1", 120),
        ("grade production", "sandbox-grader", 360),
    ]
    assert {row.certainty for row in plan.rows} == {"at most"} and set(plan.bases.values()) == {"turn index"}
    assert all(by_journal(plan)[name] >= amounts.calls for name, amounts in paid.items())
    assert all(row.price is None and row.hours is None for row in plan.rows)
    assert embedded._servers == served and not study.lake.journal_directory.exists()


@pytest.mark.parametrize("completions", [False, True])
def test_it_counts_what_a_run_then_sends(completions, paid, finished_study, small_world, tmp_path):
    with_tables(tmp_path, finished_study, *(["regenerated_completions"] if completions else []))
    _, plan = plan_of(tmp_path, small_world)
    assert by_journal(plan) == {name: amounts.calls for name, amounts in paid.items()}
    assert by_journal(plan, "answered") == dict.fromkeys(paid, 0)
    # Which completions a grader finds something to judge in is known when they are there.
    assert {row.certainty for row in plan.rows} == ({"counted"} if completions else {"counted", "at most"})
    for name, amounts in paid.items():
        assert by_journal(plan, "tokens_in")[name] == pytest.approx(amounts.prompt_tokens, rel=LENGTH_ALONE)


def test_answers_of_the_journal_are_known_and_teach_the_length_of_the_rest(
    paid, finished_study, small_world, tmp_path
):
    with_tables(tmp_path, finished_study, "regenerated_completions", "_journal")
    study, plan = plan_of(tmp_path, small_world)
    assert (
        by_journal(plan, "answered")
        == by_journal(plan)
        == {name: amounts.calls for name, amounts in paid.items()}
    )
    assert by_journal(plan, "to_make") == dict.fromkeys(paid, 0)

    for name in paid:  # as after a crash: about half of the answers are there
        journal = study.journal(name.endpoint, name.model)
        rows = journal.outcomes().read_all()
        for segment in journal.segments():
            segment.unlink()
        for outcome in rows.slice(0, len(rows) // 2).to_pylist():
            journal.append(Outcome(**outcome))
        journal.flush()
    plan = study_plan(study)
    on_disk = SpentOnDisk(study.lake.journal_directory)
    on_disk.refresh()
    left = on_disk.amounts
    assert by_journal(plan, "answered") == {name: amounts.calls for name, amounts in left.items()}
    for name, amounts in paid.items():
        open_tokens = amounts.prompt_tokens - left[name].prompt_tokens
        assert by_journal(plan, "tokens_in")[name] == pytest.approx(open_tokens, rel=LEARNT)
        open_answers = amounts.completion_tokens - left[name].completion_tokens
        assert by_journal(plan, "tokens_out")[name] == pytest.approx(open_answers, rel=0.25)
    assert all("earlier calls took" in row.counted_by for row in plan.rows)
    assert all(limit.spent > 0 for limit in plan.limits if limit.key != "money")


def test_a_large_step_is_counted_from_a_part_of_its_turns(
    paid, finished_study, small_world, tmp_path, monkeypatch
):
    with_tables(tmp_path, finished_study, "regenerated_completions", "_journal")
    monkeypatch.setattr(plan_calls, "EXACT_CALLS", 50)
    monkeypatch.setattr(plan_calls, "THINNED_CALLS", 40)
    study, plan = plan_of(tmp_path, small_world)
    assert (
        by_journal(plan, "answered")
        == by_journal(plan)
        == {name: amounts.calls for name, amounts in paid.items()}
    )
    assert {row.certainty for row in plan.rows} == {"about"}
    shutil.rmtree(study.lake.journal_directory)  # no answer that could be known: by length
    by_length = study_plan(study)
    assert by_journal(by_length) == {name: amounts.calls for name, amounts in paid.items()}
    assert {row.certainty for row in by_length.rows} == {"counted", "at most"}
    monkeypatch.undo()
    by_id = by_journal(study_plan(study), "tokens_in")
    for name, tokens in by_journal(by_length, "tokens_in").items():
        assert tokens == pytest.approx(by_id[name], rel=LENGTH_ALONE)


def test_what_a_final_forecast_keeps_is_not_planned_again(finished_study):
    plan = study_plan(Study(load_study(finished_study)))
    assert [(row.stage, row.to_make, row.answered) for row in plan.rows] == [("grade production", 0, 360)]


def graded(small_world, directory, graders: dict, **changes: object) -> dict[str, int]:
    grading = {"graders": graders, "default_grader": "sandbox"}
    _, plan = plan_of(directory, small_world, grading=grading, **changes)
    return {row.stage: row.to_make for row in plan.rows}


@pytest.mark.parametrize(
    ("graders", "expected"),
    [
        (
            {"sandbox": GRADER | {"categories_per_call": "one"}},
            {"grade simulated": 4800, "grade production": 7200},
        ),
        (
            {
                "sandbox": {"kind": "ensemble", "members": ["one", "two", "rule"]},
                "one": GRADER,
                "two": GRADER | {"model": "sandbox-grader-2"},
                "rule": {"kind": "regex", "pattern": "x"},
            },
            {"vote simulated": 240, "vote production": 360},
        ),
        (
            {
                "sandbox": GRADER | {"screen": {"grader": "cheap", "share": 0.25}},
                "cheap": GRADER | {"model": "sandbox-grader-2"},
            },
            {
                "screen simulated": 240,
                "grade simulated": 60,
                "screen production": 360,
                "grade production": 90,
            },
        ),
        (
            {
                # Of intervals twice as wide no screen needs more than a quarter of the calls.
                "sandbox": GRADER | {"screen": {"grader": "cheap", "widening": 1.0}},
                "cheap": GRADER | {"model": "sandbox-grader-2"},
            },
            {
                "screen simulated": 240,
                "grade simulated": 60,
                "screen production": 360,
                "grade production": 90,
            },
        ),
        ({"sandbox": {"kind": "regex", "pattern": "x"}}, {}),
    ],
)
def test_every_kind_of_grader_is_counted(graders, expected, small_world, tmp_path):
    stages = graded(small_world, tmp_path, graders)
    assert {stage: calls for stage, calls in stages.items() if not stage.startswith("replay")} == expected


def test_a_verdict_is_as_long_as_its_question(small_world, tmp_path):
    lengths = {}
    for form in ("all", "one"):
        grading = {
            "graders": {"sandbox": GRADER | {"categories_per_call": form}},
            "default_grader": "sandbox",
        }
        _, plan = plan_of(tmp_path / form, small_world, grading=grading)
        (row,) = [row for row in plan.rows if row.stage == "grade production"]
        lengths[form] = row.tokens_out / row.to_make
    assert lengths["one"] < 10 and 100 < lengths["all"] < 20 * lengths["one"] + 10


def test_completions_and_detectors_are_counted(finished_study, small_world, tmp_path):
    detectors = [{"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"}]
    _, plan = plan_of(
        tmp_path,
        small_world,
        replay={"completions_per_prefix": 3, "max_tokens": 100},
        deidentification={"engine": "embedded", "detectors": detectors},
    )
    stages = {row.stage: row for row in plan.rows}
    assert stages["replay candidate"].to_make == 360 and stages["replay candidate"].tokens_out == 36_000
    assert stages["grade simulated"].to_make == 720 and stages["grade production"].to_make == 360
    detect = stages["detect details"]
    assert detect.endpoint == "detector.sandbox" and detect.certainty == "about"
    assert detect.to_make / 3 == pytest.approx(detected_texts(finished_study, "2026-01-12"), rel=0.25)


def detected_texts(file: Path, week: str) -> int:
    """How many texts a week's detectors are asked about, with those of the canaries."""
    asked: set[str] = set()

    def detector(texts):
        asked.update(texts)
        return [[] for _ in texts]

    study = Study(load_study(file))
    sampled = study.lake.read(SAMPLED_TRAFFIC, {"week": week})
    planted = Canaries(study.config.privacy.canaries_per_type).planted_among(
        sampled.to_batches(), len(sampled)
    )
    list(deidentify(planted, study.config.hmac_key, study.config.deidentification, [detector]))
    return len(asked)


def test_price_hours_and_the_limit_that_stops_it(small_world, tmp_path):
    endpoint = SMALL_STUDY["endpoints"]["sandbox"] | {
        "limits": {"requests_per_minute": 60, "tokens_per_minute": 10**9}
    }
    price = {"input_per_million": 1.0, "output_per_million": 10.0, "per_call": 0.01}
    prices = dict.fromkeys(("sandbox-v1", "sandbox-v2", "sandbox-grader"), price)
    budget = {"calls": 420, "tokens": 10**9, "money": 1e6, "currency": "EUR", "prices": prices}
    _, plan = plan_of(tmp_path, small_world, endpoints={"sandbox": endpoint}, budget=budget)
    replay = plan.rows[0]
    assert replay.hours == pytest.approx(120 / 60 / 60)
    assert replay.price == pytest.approx(replay.tokens_in / 1e6 + replay.tokens_out / 1e5 + 1.2)
    stops = {limit.key: limit.stops_after for limit in plan.limits}
    assert stops == {"calls": 0.5, "tokens": None, "money": None}
    batched = endpoint | {"batch": {"completion_window": "24h"}}
    _, plan = plan_of(tmp_path, small_world, endpoints={"sandbox": batched}, budget=budget)
    halved = plan.rows[0]
    assert (halved.hours, halved.window) == (None, "24h") and halved.price == pytest.approx(replay.price / 2)


def test_verdicts_that_could_not_be_read_are_asked_for_again(small_world, tmp_path):
    study, _ = plan_of(tmp_path, small_world)
    journal = study.journal("sandbox", "sandbox-grader")
    for number in range(100):
        status = "truncated" if number < 10 else "ok"
        journal.append(
            Outcome(
                f"answer {number}", status, "{}", prompt_tokens=1000, completion_tokens=50, latency_ms=640
            )
        )
    journal.flush()
    rows = {row.stage: row for row in study_plan(study).rows}
    assert rows["regrade simulated"].to_make == 24 and rows["regrade production"].to_make == 36
    assert rows["grade production"].tokens_in == pytest.approx(360_000, rel=0.01)
    assert rows["grade production"].tokens_out == 360 * 50
    assert rows["grade production"].hours == pytest.approx(360 * 0.64 / 64 / 3600)


def test_the_smallest_rate_that_a_size_can_show(small_world, tmp_path):
    taxonomy = tmp_path / "taxonomy.yaml"
    taxonomy.parent.mkdir(exist_ok=True)
    category = "{id: %s, group: g, definition: d%s}"
    lines = [category % ("always", ""), category % ("sometimes", ", applies_to: {topic: [x]}")]
    taxonomy.write_text("version: '1'\ncategories:\n" + "".join(f"  - {line}\n" for line in lines))
    grading = SMALL_STUDY["grading"] | {"taxonomy": "taxonomy.yaml"}
    _, plan = plan_of(tmp_path, small_world, grading=grading)
    (found,) = plan.resolutions
    assert (found.candidate, found.turns, found.categories, found.limited) == (
        "sandbox-v2",
        120,
        ("always",),
        ("sometimes",),
    )
    assert found.rate_per_100k == pytest.approx(-math.log(0.05) / 120 * 100_000)


def test_a_tokenizer_counts_where_one_is_given(finished_study, small_world, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    with_tables(tmp_path, finished_study)
    words.save(str(tmp_path / "tokenizer.json"))
    endpoint = SMALL_STUDY["endpoints"]["sandbox"] | {"tokenizer": "tokenizer.json"}
    study, plan = plan_of(tmp_path, small_world, endpoints={"sandbox": endpoint})
    replay = plan.rows[0]
    assert replay.counted_by == "tokenizer, on 120 calls"
    rows = study.lake.read(
        DEIDENTIFIED_PREFIXES, {"week": "2026-01-12"}, columns=["prefix", "tools"]
    ).to_pylist()
    requests = [chat_request("", json.loads(row["prefix"]), row["tools"]) for row in rows]
    counted = sum(len(words.encode(text).ids) for request in requests for text in strings(request))
    assert replay.tokens_in == pytest.approx(counted, rel=0.001)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    return (
        [value]
        if isinstance(value, str)
        else [text for part in value for text in strings(part)]
        if value and isinstance(value, list)
        else []
    )


def test_the_command_prints_figures_and_no_text(finished_study, small_world, tmp_path):
    with_tables(tmp_path, finished_study, "regenerated_completions")
    file = write_study(tmp_path, small_world, budget={"calls": 100})
    result = CliRunner().invoke(main, ["study", "plan", "-c", str(file)])
    assert result.exit_code == 0 and max(map(len, result.output.splitlines()[:12])) <= 100
    assert "budget.calls would stop a run after about 12% of this" in result.output
    assert "The smallest rate that shows (95 %) is 2,496 per 100k, for every category" in result.output
    document = json.loads(CliRunner().invoke(main, ["study", "plan", "--json", "-c", str(file)]).output)
    assert sum(row["to_make"] for row in document["rows"]) == 840 and document["budget"][0]["limit"] == 100
    assert document["resolution"][0]["turns"] == 120 and set(document["weeks"].values()) == {"prefixes"}
    status = CliRunner().invoke(main, ["study", "status", "-c", str(file)])
    assert "spent so far: 0 of 100 calls, 0 tokens" in status.output


def test_a_plan_of_millions_of_calls_fits_a_hundred_columns():
    row = PlanRow(
        *(
            "replay predecessor",
            "e",
            "meta-llama/Llama-3.3-70B-Instruct",
            912_000,
            100_000,
            5 * 10**9,
            9 * 10**8,
        ),
        *(123_456.78, 1234.5, None, "length alone", "about"),
    )
    console = Console(width=100, color_system=None)
    with console.capture() as shown:
        console.print(plan_table(StudyPlan((row, row), (), "EUR", (), {}), "a plan"))
    lines = shown.get().splitlines()
    assert "…" not in shown.get() and max(map(len, lines)) <= 100
    assert lines[3].split() == [
        *(
            "replay",
            "predecessor",
            "meta-llama/Llama-",
            "~",
            "912.0k",
            "100.0k",
            "~",
            "812.0k",
            "5.0G",
            "900.0M",
        ),
        *("123,457", "1,234"),
    ]


def planned(**changes: object) -> PlanRow:
    row = PlanRow("replay candidate", "e", "m", 10, 0, 100, 50, None, None, None, "length alone", "counted")
    return replace(row, **changes)


def said(*rows: PlanRow, budget: tuple[Limit, ...] = ()) -> str:
    return "\n".join(plan_lines(StudyPlan(rows, budget, "EUR", (), {})))


def test_a_plan_says_what_its_figures_rest_on_and_what_is_not_known():
    unpriced, calls = Limit("money", 0.0, 0.0, None), Limit("calls", 5, 10, 5)
    text = said(planned(), budget=(calls, unpriced))
    assert "prompt tokens of m: length alone" in text
    assert "money   not known: `budget.prices` has no price of m" in text
    assert "hours of m are not known: give the endpoint's `limits`, or plan again after some calls" in text
    assert "budget.calls would stop a run before its next call; raised" in text and "0%" not in text
    assert "money   spent 0.00 EUR" in said(planned(price=0.0, hours=1.0), budget=(unpriced,))
    two = said(planned(), planned(model="n"), planned(model="n", counted_by="tokenizer", hours=1.0))
    assert "prompt tokens of every model: length alone\nprompt tokens of n: tokenizer\n" in two
    done = said(planned(answered=10), budget=(unpriced,))
    assert "every answer is there" in done and "length alone" not in done and "not known" not in done


def test_where_every_category_is_limited_none_is_counted():
    found = Resolution("m2", 100, 3000.0, (), ("a", "b"))
    text = "\n".join(plan_lines(StudyPlan((), (), "EUR", (found,), {})))
    assert "is 3,000 per 100k; one event" in text and "0 categories" not in text
    assert "Every category applies to at most these turns" in text


def test_hours_of_batch_mode_are_not_added_up():
    console = Console(width=100, color_system=None)
    row = planned(window="24h")
    with console.capture() as shown:
        console.print(plan_table(StudyPlan((row, row), (), "EUR", (), {}), "a plan"))
    assert shown.get().count("≤ 24h") == 2 and "in all" in shown.get()


def test_without_logs_it_counts_what_may_be_sampled(small_world, tmp_path):
    traffic = SMALL_STUDY["traffic"] | {"paths": ["nothing/*.parquet"]}
    _, plan = plan_of(tmp_path / "limited", small_world, traffic=traffic)
    assert set(plan.bases.values()) == {"turns_per_week"} and plan.rows[0].to_make == 120
    file = write_study(tmp_path / "all", small_world, traffic=traffic, sampling={"turns_per_week": None})
    result = CliRunner().invoke(main, ["study", "plan", "-c", str(file)])
    assert (
        result.exit_code == 1 and result.stderr.startswith("error:") and "nothing/*.parquet" in result.stderr
    )


def test_models_without_a_price_are_named(small_world, tmp_path):
    prices = {model: {} for model in ("sandbox-v1", "sandbox-v2", "sandbox-grader")}
    file = write_study(tmp_path, small_world, budget={"money": 1.0, "prices": prices})
    study = Study(load_study(file))
    assert unpriced_models(study) == []
    study.journal("sandbox", "a model of last year")
    study.journal("sandbox", "sandbox-v1")
    assert unpriced_models(study) == ["a model of last year"]


def test_examination_is_counted_as_its_steps_send_it(finished_study, small_world, tmp_path):
    """Evaluation awareness and the audit of published turns: the plan's calls are those that the assets then make."""
    from depsim_dagster.audit.findings import audit_completions, audit_production
    from depsim_dagster.awareness.labels.labelling import label_awareness

    with_tables(tmp_path, finished_study, "regenerated_completions")
    sections = {
        "awareness": {"detectors": ["self", "sandbox"], "turns_per_week": 15},
        "audit": {"turns_per_week": 10, "ablation_cases": 2},
    }
    study, plan = plan_of(tmp_path, small_world, **sections)
    on_disk = SpentOnDisk(study.lake.journal_directory)
    on_disk.refresh()
    assert not on_disk.amounts
    planned = {(row.stage, row.model): row for row in plan.rows}
    week = str(study.config.forecast_weeks("sandbox-v2")[0])
    for model in ("sandbox-v1", "sandbox-v2"):
        for _ in label_awareness(study, week, model).rows:
            pass
    calls = by_model(study)
    assert planned["judge awareness", "sandbox-v1"].calls == calls["sandbox-v1"] > 15
    assert planned["judge awareness", "sandbox-v2"].calls == calls["sandbox-v2"] > 15
    judged = planned["judge awareness", "sandbox-grader"].calls
    monitored = planned["monitor awareness", "sandbox-grader"].calls
    assert judged + monitored == calls["sandbox-grader"] and 0 < monitored < judged
    for model in ("sandbox-v1", "sandbox-v2"):
        for _ in audit_completions(study, week, model).rows:
            pass
    after = by_model(study)["sandbox-grader"]
    assert planned["audit simulated", "sandbox-grader"].calls == after - calls["sandbox-grader"] > 10
    for weeks in {
        str(w) for step in study_steps(study.config) if step.job == "observation" for w in step.weeks
    }:
        for _ in audit_production(study, weeks).rows:
            pass
    assert planned["audit production", "sandbox-grader"].calls == by_model(study)["sandbox-grader"] - after
    assert planned["audit ablation", "sandbox-grader"].certainty == "about"
    told = len(study.taxonomy.categories) - 1  # all but novel_other
    assert planned["audit ablation", "sandbox-grader"].calls == 3 * 2 * told
    answered = {(row.stage, row.model): row.answered for row in study_plan(study).rows}
    assert answered["judge awareness", "sandbox-v2"] == calls["sandbox-v2"]
    assert answered["audit simulated", "sandbox-grader"] == after - calls["sandbox-grader"]


def by_model(study: Study) -> dict[str, int]:
    on_disk = SpentOnDisk(study.lake.journal_directory)
    on_disk.refresh()
    return {name.model: amounts.calls for name, amounts in on_disk.amounts.items()}


def test_examination_before_anything_is_sampled_is_bounded_by_its_samples(small_world, tmp_path):
    _, plan = plan_of(
        tmp_path,
        small_world,
        awareness={"turns_per_week": 15},
        audit={
            "turns_per_week": 10,
            "ablation_cases": 0,
            "embeddings": {"endpoint": "sandbox", "model": "e"},
        },
    )
    rows = {(row.stage, row.model): (row.to_make, row.certainty) for row in plan.rows}
    # A detector reads production and completions; so does the monitor, where they have reasoning.
    assert rows["judge awareness", "sandbox-v2"] == rows["judge awareness", "sandbox-v1"] == (30, "at most")
    assert rows["monitor awareness", "sandbox-grader"] == (60, "at most")
    assert rows["audit simulated", "sandbox-grader"] == (20, "at most")
    assert rows["audit production", "sandbox-grader"] == (30, "at most")
    assert rows["embed findings", "e"][1] == "about" and ("audit ablation", "sandbox-grader") not in rows
