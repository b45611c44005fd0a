"""Which values of a log's attribute may stand in labels as the topic: they outlive the text of their week."""

import json

import pytest

from depsim_dagster.grading.topics import LONGEST, MOST_TOPICS, Topics
from depsim_dagster.grading.turn_columns import TurnColumns


@pytest.mark.parametrize(
    ("value", "topic"),
    [
        ("medicine", "medicine"),
        ("Health & care (adults)", "Health & care (adults)"),
        (7, "7"),
        (True, "true"),
    ],
)
def test_a_short_plain_value_is_a_topic(value, topic):
    topics = Topics("subject")
    assert topics.of(json.dumps({"subject": value, "other": 1})) == topic and topics.unusable == 0


@pytest.mark.parametrize(
    "value",
    [
        "x" * (LONGEST + 1),
        "two\nlines",
        "=HYPERLINK(1)",
        "<b>bold</b>",
        "a\x00b",
        1.5,
        ["a"],
        {"a": 1},
        "\u202eback",
    ],
)
def test_what_is_long_or_not_plain_is_none_and_counted(value):
    topics = Topics("subject")
    assert topics.of(json.dumps({"subject": value})) is None and topics.unusable == 1


@pytest.mark.parametrize(
    "attributes", [None, "{}", '{"subject": null}', '{"subject": ""}', '{"topic": "art"}']
)
def test_where_the_log_says_nothing_there_is_no_topic_and_nothing_wrong(attributes):
    topics = Topics("subject")
    assert topics.of(attributes) is None and topics.unusable == 0


def test_without_the_setting_attributes_are_not_looked_at():
    assert Topics(None).of("no JSON") is None


def test_more_values_than_topics_are_ids_or_sentences():
    topics = Topics("subject")
    found = [topics.of(json.dumps({"subject": f"case {number}"})) for number in range(MOST_TOPICS + 5)]
    assert sum(topic is not None for topic in found) == MOST_TOPICS and topics.unusable == 5
    assert topics.of('{"subject": "case 0"}') == "case 0"


def test_the_covariates_of_a_turn_stand_in_its_label_rows(turn):
    turns = [
        turn(
            "a",
            turn_id="a",
            attributes={"subject": "art"},
            prefix_characters=900,
            turn_index=3,
            tools_offered=True,
        ),
        turn("b", turn_id="b", attributes={"subject": "x" * 99}),
        turn(None, turn_id="c"),
    ]
    columns = TurnColumns(lambda: [turns[:2], turns[2:]], [], topic="subject")
    subjects = {name: column.to_pylist() for name, column in columns.subjects(0, 3).items()}
    assert subjects["topic"] == ["art", None, None] and columns.unusable_topics == 1
    assert subjects["prefix_characters"] == [900, 6, 6] and subjects["turn_index"] == [3, 0, 0]
    assert subjects["tools_offered"] == [True, False, False]
