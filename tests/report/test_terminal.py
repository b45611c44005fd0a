"""The terminal table: width, plain output when redirected, hostile names, zeros."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
from fake_study import CATEGORIES, content
from rich.console import Console

from depsim_dagster.estimation.calibration.summary import calibration_summary
from depsim_dagster.report.study_report import render_report
from depsim_dagster.report.terminal import study_table


@cache
def summarised(calibration: str) -> pd.DataFrame:
    """The summary of the rows in this text: the learning of tau takes its time."""
    return calibration_summary(pd.read_json(io.StringIO(calibration)), noise_draws=20)


def printed(calibration: pd.DataFrame, width: int = 100, **options) -> str:
    stream = io.StringIO()
    summary = summarised(calibration.to_json()) if len(calibration) else pd.DataFrame()
    Console(file=stream, width=width, **options).print(study_table(calibration, summary, width))
    return stream.getvalue()


@pytest.mark.parametrize("n", [2_000, 60_000, 5_000_000])
def test_it_fits_in_100_columns_and_cuts_nothing(n):
    text = printed(content(n=n).calibration)
    assert max(map(len, text.splitlines())) <= 100 and "…" not in text
    for category, _ in CATEGORIES:
        assert text.count(category) >= 3


@pytest.mark.parametrize("width", [100, 90, 80, 72])
@pytest.mark.parametrize("n", [2_000, 5_000_000])
def test_names_and_numbers_stay_legible_in_a_narrow_terminal(width, n):
    text = printed(content(n=n).calibration, width=width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width and "…" not in text
    for category, _ in CATEGORIES:
        # On one line, or on several that break behind an underscore.
        folded = r"_(?: [^\n]*\n)?".join(category.split("_"))
        assert len(re.findall(rf"(?m)^{folded} ", text)) == 3, category
    assert not any(re.search(r"\(\d[^)]*$", line) for line in lines), "an interval stays on one line"


def test_a_name_that_is_too_long_is_folded_behind_an_underscore():
    name = "claiming_to_have_done_something_that_was_not_done_at_all"
    text = printed(content(categories=[(name, "misalignment")]).calibration)
    assert "\nclaiming_to_have_done_something_ " in text and "\nthat_was_not_done_at_all " in text


def test_the_noise_floor_is_the_summary_s():
    made = content()
    summary = made.summary.assign(sme_median_noise_floor=1.2345)
    stream = io.StringIO()
    Console(file=stream, width=100).print(study_table(made.calibration, summary))
    assert stream.getvalue().count("(perfect simulator 1.23x,") == 3
    stream = io.StringIO()
    Console(file=stream, width=100).print(study_table(made.calibration, pd.DataFrame()))
    assert stream.getvalue().count("perfect simulator -,") == 3


def test_redirected_output_is_plain_ascii_without_escapes():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=80).print(study_table(content().calibration, content().summary, 80))
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80
    assert "Median SME" in text and "SANDBOX" in text and "right" in text and "wrong" in text


def test_zero_events_are_below_and_few_events_are_marked():
    frame = content(n=2_000).calibration
    text = printed(frame)
    assert "below 1 in 540" in text and "(0-184)" in text and "x*" in text and "fewer than 10 events" in text


def test_names_are_neither_markup_nor_escape_codes():
    hostile = "[bold red]x[/] \x1b[2J\u202e"
    text = printed(
        content(categories=[(hostile, "misalignment")] * 2, models=("a", hostile, "c")).calibration,
        force_terminal=True,
        color_system="truecolor",
    )
    assert "[bold red]x[/]" in text and "\x1b[2J" not in text and "\u202e" not in text


def test_an_empty_table_says_so_and_nan_is_a_dash():
    assert "No sealed forecast yet" in printed(pd.DataFrame())
    frame = content().calibration.assign(sme=float("nan"), comparable=False)
    assert "nan" not in printed(frame).lower().replace("finance", "")


@pytest.mark.parametrize("width", [100, 80])
def test_a_sealed_forecast_without_outcome_is_shown(width):
    made = content()
    model = made.forecasts["model"].iloc[-1]
    scored = made.calibration[made.calibration["model"] != model]
    stream = io.StringIO()
    Console(file=stream, width=width).print(study_table(scored, made.summary, width, made.forecasts))
    shown = stream.getvalue().split(f"\n{model}  on traffic of ")[1]
    assert shown.count("Not observed yet") == 1 and "SME" not in shown and "no data" not in shown
    assert max(map(len, shown.splitlines())) <= width
    assert all(re.search(rf"(?m)^{category.split('_')[0]}", shown) for category, _ in CATEGORIES)


def test_missing_turns_of_the_forecast_are_said_beside_its_verdict():
    """A server that failed one call in eight leaves a rate that rests on the others: nobody should have to look for it."""
    whole = content()
    summary = calibration_summary(whole.calibration, noise_draws=20)
    few = whole.forecasts.assign(missing=0)
    few.loc[few.index[3], "missing"] = 250
    stream = io.StringIO()
    Console(file=stream, width=100).print(study_table(whole.calibration, summary, 100, few))
    model, n = few.loc[few.index[3], ["model", "n"]]
    assert f"250 of {n + 250:,} forecast turns have no label" in " ".join(stream.getvalue().split())
    assert " ".join(stream.getvalue().split()).count("have no label") == 1
    assert "have no label" not in printed(whole.calibration)
    page = render_report(replace(whole, forecasts=few))
    assert page.count("forecast turns have no label") == 1 and "250 missing" in page


def test_what_rose_and_what_was_called_is_said_below_the_table():
    made = content(categories=CATEGORIES[:6])

    def shown(calibration: pd.DataFrame, comparison: pd.DataFrame | None) -> str:
        stream = io.StringIO()
        table = study_table(calibration, made.summary, 100, comparison=comparison)
        Console(file=stream, width=100).print(table)
        return stream.getvalue()

    rose = made.comparison.assign(rose=made.comparison["category"] == "bio_risk")
    text = shown(made.calibration, rose)
    assert text.count("Rose on the same prefixes (false discovery rate 10 %): bio_risk") == 3
    calm = shown(made.calibration, rose.assign(rose=False))
    assert calm.count("rate 10 %): nothing") == 3
    assert text.count("Sure calls: ") == text.count("PIT of 6 observed counts") == 3
    without = shown(made.calibration.drop(columns=["pit", "called_direction", "called_correct"]), None)
    assert "PIT" not in without and "Sure calls" not in without and "Rose" not in without
