"""The figures: colours as variables light and dark, contrast, zero counts, own ids, no leftovers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from fake_study import content

from depsim_dagster.report.figures.calibration import calibration_figure
from depsim_dagster.report.figures.forest import forest_figure
from depsim_dagster.report.figures.palette import PALETTE
from depsim_dagster.report.figures.sme_strip import sme_strip_figure
from depsim_dagster.report.verdict import candidates

ROW = {"model": "x", "category": "c", "category_group": "misalignment", "comparable": True, "sme": 2.0}


def side(name: str, k: int, n: int = 10_000) -> dict:
    return {
        f"{name}_k": k,
        f"{name}_n": n,
        f"{name}_per_100k": k / n * 1e5,
        f"{name}_lower_per_100k": k / n * 5e4,
        f"{name}_upper_per_100k": (k + 3) / n * 1e5,
    }


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_have_aa_contrast_and_marks_three_to_one_in_both_schemes():
    for scheme in (0, 1):
        for ground in ("paper", "far"):
            for role in ("ink", "muted", "label", "first"):
                assert contrast(PALETTE[role][scheme], PALETTE[ground][scheme]) >= 4.5, (
                    role,
                    ground,
                    scheme,
                )
            for role in ("second", "third", "older"):
                assert contrast(PALETTE[role][scheme], PALETTE[ground][scheme]) >= 3, (
                    role,
                    ground,
                    scheme,
                )


def test_every_colour_is_a_variable_so_that_dark_mode_changes_it():
    rows = next(iter(candidates(content()).values()))
    for svg in (calibration_figure(rows, figure_id="a"), forest_figure(rows, figure_id="b")):
        bare = re.sub(r"var\(--fig-\w+, #[0-9a-f]{6}\)", "", svg)
        assert not re.search(r"(?:fill|stroke)[:=]\s*\"?#[0-9a-f]{6}", bare)
        assert "var(--fig-first" in svg and "<text" in svg


def test_black_ink_is_never_left_implicit():
    svg = sme_strip_figure({"x": [ROW]}, {"x": (2.0, None)}, figure_id="f")
    texts = list(ElementTree.fromstring(svg).iter("text"))
    assert texts and all("fill: var(" in node.get("style", "") for node in texts)


def test_the_strip_draws_the_bars_that_it_is_given_and_none_without():
    lines = [
        sme_strip_figure({"x": [ROW]}, {"x": bars}, figure_id="f").count("<path")
        for bars in ((2.0, 1.1), (2.0, None), (None, None))
    ]
    assert lines[0] == lines[1] + 1 == lines[2] + 2


def test_ids_belong_to_the_figure_and_no_global_style_is_left():
    one, two = (
        calibration_figure([ROW | side("forecast", 5) | side("observed", 7)], figure_id=name)
        for name in ("one", "two")
    )
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    assert "<style" not in one and "<metadata" not in one and "xmlns" not in one


def test_zero_counts_are_arrows_from_the_bound():
    plain = forest_figure([ROW | side("forecast", 5) | side("observed", 7)], figure_id="f")
    zero = forest_figure([ROW | side("forecast", 5) | side("observed", 0)], figure_id="f")
    marks = [
        len(re.findall(r"<g clip-path=[^>]*>\s*<use", svg)) for svg in (plain, zero)
    ]  # data marks, not ticks
    assert marks == [2, 3]


def test_names_are_drawn_literally():
    svg = forest_figure(
        [ROW | side("forecast", 5) | {"category": "$\\alpha$ <b> #1c2530 & é"}], figure_id="f"
    )
    assert "$\\alpha$ &lt;b&gt; #1c2530 &amp; é" in svg


def test_a_candidate_without_any_rate_still_draws():
    assert "<svg" in forest_figure([ROW], figure_id="f") and "<svg" in calibration_figure(
        [ROW], figure_id="f"
    )


def test_figures_leave_the_callers_settings_alone():
    import matplotlib

    matplotlib.rcParams["axes.linewidth"] = 3.25
    try:
        first = forest_figure([ROW | side("forecast", 5)], figure_id="f")
        assert matplotlib.rcParams["axes.linewidth"] == 3.25
    finally:
        matplotlib.rcdefaults()
    assert forest_figure([ROW | side("forecast", 5)], figure_id="f") == first, (
        "a user's settings change no report"
    )
