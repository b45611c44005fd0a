"""From two mixes of traffic to the weights between them: bands, merging, post-stratification, raking, diagnostics."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.rates import RATE_COLUMNS, estimate_rates
from depsim_dagster.estimation.shift.collapse import merged_values
from depsim_dagster.estimation.shift.covariates import cell_names, covariate_values
from depsim_dagster.estimation.shift.diagnostics import effective_size
from depsim_dagster.estimation.shift.rake import rake
from depsim_dagster.estimation.shift.reweighted import reweighted_rates, turn_weights
from depsim_dagster.estimation.shift.shift_table import TABLE_COLUMNS, shift_table


def turns(number=1, **columns):
    """Literal prefixes; each its own user unless told."""
    table = {
        "week": "2026-01-05",
        "turn_id": [f"t{place}" for place in range(number)],
        "user_id": [f"u{place}" for place in range(number)],
        "language": "en",
        "prefix_characters": 100,
        "turn_index": 0,
        "tools_offered": False,
        "topic": None,
        "inclusion_probability": 0.5,
    }
    return pd.DataFrame({**table, **columns})


def of_topics(**counts):
    topics = [topic for topic, count in counts.items() for _ in range(count)]
    return turns(len(topics), topic=topics)


def labelled(sample, flagged, **columns):
    label = {"category": "rude", "flagged": flagged, "status": "graded", "grading_probability": 1.0}
    return sample.assign(**{**label, **columns})


# ------------------------------------------------------------------------------------------------------- covariates
def test_a_prefix_is_described_by_fixed_bands_and_its_users_turns_of_the_week():
    rows = turns(
        6,
        week=["w1"] * 5 + ["w2"],
        user_id=["a", "a", "b", "c", "c", "a"],
        language=["en", None, "de", "en", "en", "en"],
        prefix_characters=[0, 199, 200, 999, 1000, 4000],
        turn_index=[0, 1, 2, 3, 9, 0],
        tools_offered=[True, False, False, False, False, True],
        topic=["art", None, "art", "art", "art", "art"],
    )
    values = covariate_values(
        rows, ["topic", "user_activity", "tools", "turn_position", "length", "language"]
    )
    assert list(values.columns) == ["language", "length", "turn_position", "tools", "user_activity", "topic"]
    assert list(values["length"]) == ["<200", "<200", "200-999", "200-999", "1000-3999", "4000+"]
    assert list(values["turn_position"]) == ["first", "2-3", "2-3", "4+", "4+", "first"]
    assert list(values["tools"]) == ["offered", "none", "none", "none", "none", "offered"]
    assert list(values["user_activity"]) == ["2-4", "2-4", "1", "2-4", "2-4", "1"]
    assert list(values["language"]) == ["en", "unknown", "de", "en", "en", "en"]
    assert cell_names(values)[1] == "unknown / <200 / 2-3 / none / 2-4 / unknown"


@pytest.mark.parametrize("by", [[], ["language", "colour"]])
def test_an_unknown_covariate_is_named_with_those_that_there_are(by):
    with pytest.raises(EstimationError, match="name one or more of .*user_activity"):
        covariate_values(turns(), by)


# ---------------------------------------------------------------------------------------------------------- merging
def test_a_thin_band_joins_its_smaller_neighbour_and_other_values_each_other():
    group, names = merged_values(
        ["<200", "200-999", "1000-3999", "4000+"], np.array([50, 3, 40, 90]), 20, True
    )
    assert (list(group), names) == ([0, 1, 1, 2], ["<200", "200-999 + 1000-3999", "4000+"])
    group, names = merged_values(["de", "en", "fr", "is"], np.array([12, 90, 11, 0]), 20, False)
    assert (list(group), names) == ([1, 0, 1, 1], ["en", "other"])
    group, names = merged_values(["de", "en", "fr", "is"], np.array([30, 90, 7, 0]), 20, False)
    assert (list(group), names) == (
        [1, 0, 1, 1],
        ["en", "other"],
    )  # 7 are too few: the rarest of the others joins
    group, names = merged_values(["none", "offered"], np.array([3, 4]), 20, False)
    assert (list(group), names) == ([0, 0], ["other"])


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(1, 40), st.booleans())
def test_no_group_is_too_thin_while_there_are_turns_enough(counts, minimum, ordered):
    values = [f"v{place}" for place in range(len(counts))]
    group, names = merged_values(values, np.array(counts), minimum, ordered)
    sizes = np.bincount(group, weights=counts, minlength=len(names))
    assert sizes.sum() == sum(counts) and set(group) == set(range(len(names)))
    assert (sizes >= minimum).all() or len(names) == 1
    if min(counts) >= minimum:
        assert names == values


# ---------------------------------------------------------------------------------------------------------- raking
def test_raking_gives_both_margins_and_keeps_the_odds_ratio():
    """Deming and Stephan: fitted margins, and the association (odds ratio) of the table that it starts from."""
    codes, share = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.4, 0.1, 0.2, 0.3])
    raking = rake(codes, share, [np.array([0.3, 0.7]), np.array([0.25, 0.75])])
    fitted = share * raking.factors[0][codes[:, 0]] * raking.factors[1][codes[:, 1]]
    table = fitted.reshape(2, 2)
    assert raking.converged and raking.rounds < 50
    assert table.sum(axis=1) == pytest.approx([0.3, 0.7]) and table.sum(axis=0) == pytest.approx([0.25, 0.75])
    odds = table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0])
    assert odds == pytest.approx(0.4 * 0.3 / (0.1 * 0.2))


def test_margins_that_contradict_each_other_are_said_not_to_converge():
    """Where the two covariates are one, no weights give them different shares."""
    codes, share = np.array([[0, 0], [1, 1]]), np.array([0.5, 0.5])
    raking = rake(codes, share, [np.array([0.2, 0.8]), np.array([0.6, 0.4])], most_rounds=20)
    assert (raking.converged, raking.rounds) == (False, 20) and raking.largest_gap > 0.1


def test_a_target_without_a_sampled_turn_is_no_margin_to_rake_to():
    with pytest.raises(EstimationError, match=r"1 value\(s\) with a target have no sampled turn"):
        rake(np.array([[0], [0]]), np.array([0.5, 0.5]), [np.array([0.5, 0.5])])


# ----------------------------------------------------------------------------------------------------- the table
def test_cells_with_enough_turns_get_the_targets_share_over_their_own():
    table = shift_table(of_topics(art=150, law=50), of_topics(art=120, law=80), ["topic"])
    assert list(table.columns) == list(TABLE_COLUMNS)
    assert set(table["method"]) == {"post_stratified"} and table["warning"].isna().all()
    art, law = table.itertuples()
    assert (art.dimension, art.value, art.sampled_turns, art.users) == ("topic", "art", 150, 150)
    assert (art.sampled_share, art.target_share, art.factor) == pytest.approx((0.75, 0.6, 0.8))
    assert (law.factor, law.weighted_share, law.target_users) == (pytest.approx(1.6), pytest.approx(0.4), 80)
    # 150 turns of 0.8 and 50 of 1.6: (120 + 80)^2 / (150 * 0.64 + 50 * 2.56)
    assert (art.effective_n, art.overlap, art.trimmed_share) == pytest.approx((40_000 / 224, 1.0, 0.0))


def test_design_weights_are_part_of_both_mixes():
    sample = of_topics(art=100, law=100).assign(inclusion_probability=[0.1] * 100 + [0.3] * 100)
    table = shift_table(sample, of_topics(art=100, law=100), ["topic"]).set_index("value")
    assert table.loc["art", ["sampled_share", "factor"]].tolist() == pytest.approx([0.75, 2 / 3])
    assert table.loc["law", "factor"] == pytest.approx(2.0)


def test_thin_cells_are_raked_and_thin_values_share_a_factor():
    random = np.random.default_rng(3)

    def mix(number, tools, rare):
        language = random.choice(["en", "de", "is", "mt"], number, p=[0.6, 0.4 - rare, rare / 2, rare / 2])
        offered = random.random(number) < tools
        return turns(
            number, language=language, tools_offered=offered, turn_index=random.integers(0, 5, number)
        )

    sample, target = mix(400, 0.2, 0.03), mix(5_000, 0.5, 0.03)
    table = shift_table(sample, target, ["language", "turn_position", "tools"])
    assert set(table["method"]) == {"raked"}
    for _, rows in table.groupby("dimension"):
        merged = rows.groupby("weighted_as")[["weighted_share", "target_share"]].sum()
        assert merged["weighted_share"].tolist() == pytest.approx(merged["target_share"].tolist(), abs=1e-6)
    languages = table[table["dimension"] == "language"].set_index("value")
    rare = languages.loc[["is", "mt"]]
    assert (rare["sampled_turns"] < 20).all() and rare["factor"].nunique() == 1
    assert set(rare["weighted_as"]) == {languages.loc["is", "weighted_as"]} == {"other"}
    more = (rare["target_share"] - rare["sampled_share"]).clip(lower=0).sum()
    assert more > 0 and languages["overlap"].iloc[0] == pytest.approx(1 - more)


def test_given_margins_are_raked_to_and_one_margin_is_a_cell():
    sample = turns(200, tools_offered=[True] * 50 + [False] * 150, turn_index=[0, 4] * 100)
    margins = {"tools": {"offered": 0.5, "none": 0.5}, "turn_position": {"first": 0.2, "4+": 0.8}}
    both = shift_table(sample, margins, ["tools", "turn_position"]).set_index(["dimension", "value"])
    assert set(both["method"]) == {"raked"} and both["target_users"].isna().all()
    assert both.loc[("tools", "offered"), "weighted_share"] == pytest.approx(0.5)
    assert both.loc[("turn_position", "first"), "weighted_share"] == pytest.approx(0.2)
    alone = shift_table(sample, margins, ["tools"])
    assert set(alone["method"]) == {"post_stratified"} and alone["factor"].tolist() == pytest.approx(
        [2 / 3, 2]
    )


def test_weights_are_cut_at_the_trim_and_the_share_is_told():
    sample, target = of_topics(art=980, law=20), of_topics(art=60, law=40)
    table = shift_table(sample, target, ["topic"], trim=8.0)
    law = table.set_index("value").loc["law"]
    # A factor of 0.4 / 0.02 = 20 is cut to 8: of the law's 40 % of the target, 12 / 20 are lost.
    assert law["factor"] == pytest.approx(20.0) and law["trimmed_share"] == pytest.approx(0.4 * 12 / 20)
    assert law["weighted_share"] == pytest.approx(0.16 / 0.76)
    assert "24.0% of the target mix was trimmed away" in law["warning"]
    assert turn_weights(labelled(sample, False), table).max() == 8.0


def test_a_target_that_the_sample_lacks_is_warned_of():
    missing = shift_table(of_topics(art=500), of_topics(art=300, law=200), ["topic"])
    assert missing["overlap"].iloc[0] == pytest.approx(0.6)
    assert "40% of the target mix is traffic of which the sample has less" in missing["warning"].iloc[0]
    # Both values of both covariates are there, and yet a cell of the target is not.
    apart = turns(200, tools_offered=[True] * 100 + [False] * 100, topic=["art"] * 100 + ["law"] * 100)
    crossed = turns(200, tools_offered=[True] * 150 + [False] * 50, topic=["art"] * 100 + ["law"] * 100)
    assert shift_table(apart, crossed, ["tools", "topic"])["overlap"].iloc[0] == pytest.approx(0.75)
    # A cell that has few turns in the target too is chance, not shift.
    few = turns(200, tools_offered=[True] * 105 + [False] * 95, topic=["art"] * 100 + ["law"] * 100)
    assert shift_table(apart, few, ["tools", "topic"])["overlap"].iloc[0] == pytest.approx(1.0)


def test_a_lost_effective_size_is_warned_of_also_when_it_is_that_of_the_users():
    weak = shift_table(of_topics(art=960, law=40), of_topics(art=700, law=300), ["topic"])
    assert "of the sample's effective size" in weak["warning"].iloc[0]
    few_users = of_topics(art=500, law=500).assign(user_id=[*range(500), *[7_777] * 100, *range(900, 1300)])
    table = shift_table(few_users, of_topics(art=350, law=650), ["topic"])
    assert table["effective_n"].iloc[0] > 900 and table["effective_users"].iloc[0] < 100
    assert effective_size(np.array([1.0, 1.0, 2.0]), np.array([0, 0, 1])).users == pytest.approx(2.0)


def test_thin_values_without_a_shift_are_no_warning():
    small = of_topics(art=9, law=14, war=3)
    table = shift_table(small, small, ["topic"])
    assert table["factor"].tolist() == pytest.approx([1, 1, 1])
    assert table["warning"].isna().all() and table["overlap"].tolist() == [1, 1, 1]


def test_a_small_shift_is_no_warning():
    same = shift_table(of_topics(art=300, law=300), of_topics(art=290, law=310), ["topic"])
    assert same["warning"].isna().all() and (same["effective_n"] > 590).all()


@given(
    st.lists(st.integers(20, 80), min_size=2, max_size=4),
    st.lists(st.integers(0, 80), min_size=2, max_size=4).filter(any),
)
@settings(max_examples=40, deadline=None)
def test_post_stratified_shares_are_those_of_the_target(before, after):
    names = ["a", "b", "c", "d"]
    sample = of_topics(**dict(zip(names, before, strict=False)))
    after = after[: len(before)]
    if not sum(after):
        return
    table = shift_table(sample, of_topics(**dict(zip(names, after, strict=False))), ["topic"], trim=1e9)
    assert table["weighted_share"].tolist() == pytest.approx(table["target_share"].tolist())
    assert (table["sampled_share"] * table["factor"]).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("probability", [0.0, 1.5, None])
def test_a_probability_that_is_none_is_refused(probability):
    wrong = of_topics(art=30).assign(inclusion_probability=probability)
    with pytest.raises(EstimationError, match="inclusion_probability: 30 rows"):
        shift_table(wrong, of_topics(art=30), ["topic"])


def test_an_empty_mix_is_refused():
    with pytest.raises(EstimationError, match="target: no turns"):
        shift_table(of_topics(art=30), of_topics(art=30).head(0), ["topic"])


# ------------------------------------------------------------------------------------------------ reweighted rates
def test_a_reweighted_rate_is_the_targets_mean_of_the_cells():
    sample = of_topics(art=300, law=100)
    flagged = [True] * 6 + [False] * 294 + [True] * 10 + [False] * 90  # 2 % and 10 %
    labels = labelled(sample, flagged)
    table = shift_table(sample, of_topics(art=50, law=50), ["topic"])
    row = reweighted_rates(labels, table, ["category"]).iloc[0]
    assert list(row.index) == ["category", *RATE_COLUMNS]
    assert row["rate_per_100k"] == pytest.approx(6_000.0) and (row["k"], row["n"]) == (16, 400)
    assert row["design_effect"] > 1.2 and row["lower_per_100k"] < 6_000 < row["upper_per_100k"]


def test_without_a_shift_the_rate_is_the_raw_one_whatever_its_design():
    random = np.random.default_rng(5)
    sample = of_topics(art=300, law=300).assign(inclusion_probability=random.choice([0.1, 0.5], 600))
    labels = pd.concat(
        [labelled(sample, random.random(600) < 0.02, category=name) for name in ("rude", "sly")]
    )
    table = shift_table(sample, sample, ["topic"])
    pd.testing.assert_frame_equal(
        reweighted_rates(labels, table, ["category"]), estimate_rates(labels, ["category"])
    )


def test_every_row_of_a_turn_has_its_weight_and_activity_counts_turns_not_rows():
    sample = turns(40, user_id=["busy"] * 20 + [f"u{place}" for place in range(20)])
    table = shift_table(sample, {"user_activity": {"1": 0.8, "5+": 0.2}}, ["user_activity"])
    rows = pd.concat([labelled(sample, False, category=name) for name in ("rude", "sly", "wrong")])
    weights = turn_weights(rows, table)
    assert weights.tolist() == pytest.approx(([0.4] * 20 + [1.6] * 20) * 3)


def test_what_the_target_has_none_of_is_outside_the_rate():
    sample = of_topics(art=100, law=100, war=30)
    table = shift_table(sample, of_topics(art=50, law=50), ["topic"])
    labels = labelled(sample, [False] * 200 + [True] * 30)
    row = reweighted_rates(labels, table, ["category"]).iloc[0]
    assert (row["k"], row["n"], row["method"]) == (0, 200, "zero_events")


def test_weights_of_other_labels_are_refused():
    table = shift_table(of_topics(art=100, law=100), of_topics(art=50, law=50), ["topic"])
    with pytest.raises(EstimationError, match="30 turns have a topic that it does not know"):
        reweighted_rates(labelled(of_topics(art=100, war=30), False), table, ["category"])
    with pytest.raises(EstimationError, match="traffic_shift has no rows"):
        reweighted_rates(labelled(of_topics(art=100), False), table.head(0), ["category"])
