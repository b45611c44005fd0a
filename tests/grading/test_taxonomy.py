"""The default taxonomy is METHOD.md's; a taxonomy of one's own is read strictly."""

import re

import pytest
import yaml

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.graders.rubric_prompt import system_prompt

DISALLOWED = [
    "mental_health",
    "abuse_harassment",
    "sexual_content",
    "violent_wrongdoing",
    "nonviolent_wrongdoing",
    "bio_risk",
    "violence",
    "extremism",
    "emotional_reliance",
    "self_harm",
    "hate",
]
MISALIGNMENT = ["confirmation_hacking", "claiming_real_world_experiences"]
AGENTIC = [
    "misrepresenting_work_completion",
    "promising_background_tasks",
    "fabricated_facts",
    "lying_about_tools",
    "calculator_hacking",
    "concealed_uncertainty",
]
# An example of the coding-agent set names the level that it would get.
LEVEL = re.compile(r"\((\d)(?: or (\d))?\)\.$")
REGEX = {"word": {"kind": "regex", "pattern": "word"}}


def test_the_default_taxonomy_is_the_published_one_and_novel_other(study):
    taxonomy = study(REGEX, "default").taxonomy
    assert taxonomy.groups() == {
        **dict.fromkeys(DISALLOWED, "disallowed_content"),
        **dict.fromkeys([*MISALIGNMENT, *AGENTIC, "novel_other"], "misalignment"),
    }
    assert [category.id for category in taxonomy.categories] == [
        *DISALLOWED,
        *MISALIGNMENT,
        *AGENTIC,
        "novel_other",
    ]
    assert {category.id for category in taxonomy.categories if category.agentic} == set(AGENTIC)
    assert all(
        "Flag" in category.rubric and "not flag" in " ".join(category.rubric.split())
        for category in taxonomy.categories
    )
    assert {category.grader for category in taxonomy.categories} == {"word"}


def test_the_coding_agent_taxonomy_has_a_severity_that_flags_what_a_user_would_strongly_object_to(study):
    taxonomy = study(REGEX, "coding_agent").taxonomy
    assert [category.id for category in taxonomy.categories] == [
        "circumventing_restrictions",
        "destructive_actions",
        "unauthorized_data_transfer",
        "reward_hacking",
        "credential_harvesting",
        "other_misalignment",
    ]
    for category in taxonomy.categories:
        assert category.severity is not None and category.agentic
        assert (len(category.severity.levels), category.severity.flag_from) == (5, 3)
        assert "would strongly object" in category.severity.levels[3]
        flagged = [LEVEL.findall(example)[0][0] >= "3" for example in category.examples.positive]
        not_flagged = [LEVEL.findall(example)[0] for example in category.examples.negative]
        assert all(flagged) and max(max(levels) for levels in not_flagged) < "3"


@pytest.mark.parametrize("name", ["default", "coding_agent"])
def test_shipped_categories_are_written_out_and_fit_one_short_prompt(study, name):
    taxonomy = study(REGEX, name).taxonomy
    for category in taxonomy.categories:
        assert 2 <= len(category.examples.positive) <= 3 and 2 <= len(category.examples.negative) <= 3
        assert "Not:" in category.rubric or "Do not flag" in category.rubric
    texts = [text for c in taxonomy.categories for text in (*c.examples.positive, *c.examples.negative)]
    assert len(set(texts)) == len(texts)
    # Evidence that differs costs a call more for every turn: see the comment in the file.
    assert len({category.evidence for category in taxonomy.categories}) == 1
    # About 6,000 tokens of English.
    assert len(system_prompt(taxonomy.categories)) < 24_000


def test_rubrics_refer_to_categories_that_exist(study):
    taxonomy = study(REGEX, "default").taxonomy
    named = {word for c in taxonomy.categories for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", c.rubric)}
    assert len(named) >= 8 and named <= set(taxonomy.groups())


@pytest.mark.parametrize("name", ["default", "coding_agent"])
def test_a_rubric_can_be_read_alone(study, name):
    """With `categories_per_call: one` no other entry stands beside it."""
    for category in study(REGEX, name).taxonomy.categories:
        assert not re.search(r"\b(above|below)\b", f"{category.definition} {category.rubric}"), category.id


def test_a_category_may_name_its_grader(study):
    graders = REGEX | {"other": {"kind": "regex", "pattern": "other"}}
    taxonomy = study(graders, [{"id": "a"}, {"id": "b", "grader": "other"}]).taxonomy
    assert [category.grader for category in taxonomy.categories] == ["word", "other"]


def test_every_problem_of_a_taxonomy_is_told_at_once(study, tmp_path):
    opened = study(REGEX, [{"id": "a"}, {"id": "a"}, {"id": "b", "grader": "nobody"}])
    with pytest.raises(ConfigurationError) as raised:
        _ = opened.taxonomy
    lines = str(raised.value).split("\n")
    assert lines[0].endswith("taxonomy.yaml: category `a` is listed twice")
    assert "category `b`: grader `nobody` is not one of word" in lines[1]
    assert len(lines) == 2


def test_a_category_without_a_grader_names_both_ways_out(study, tmp_path):
    opened = study(REGEX, [{"id": "a"}])
    file = tmp_path / "study.yaml"
    file.write_text(file.read_text().replace("  default_grader: word\n", ""))
    from depsim_dagster.study import study_at

    with pytest.raises(
        ConfigurationError,
        match=r"category `a` names no grader \(one of word\).*default_grader in .*study\.yaml",
    ):
        _ = study_at(file).taxonomy
    assert opened.taxonomy.categories[0].grader == "word"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"version": "1", "categories": []}, "categories: .*at least 1 item"),
        (
            {"version": "1", "categories": [{"id": "A B", "group": "g", "definition": "d"}]},
            r"categories\.0\.id: .*pattern",
        ),
        (
            {"version": "1", "categories": [{"id": "a", "group": "g", "definition": "d", "weight": 3}]},
            r"categories\.0\.weight: unknown key; accepted here: agentic, applies_to, definition, evidence, examples, grader",
        ),
        (
            {"version": "1", "categories": [{"id": "a", "group": "g"}]},
            r"categories\.0\.definition: this key is required",
        ),
        ([1], "must be a mapping with keys of: categories, version"),
    ],
)
def test_a_malformed_taxonomy_names_file_and_key(study, tmp_path, document, message):
    opened = study(REGEX, "mine.yaml")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigurationError, match=rf"mine\.yaml: {message}"):
        _ = opened.taxonomy


def test_a_missing_or_unreadable_taxonomy_file(study, tmp_path):
    opened = study(REGEX, "mine.yaml")
    with pytest.raises(
        ConfigurationError,
        match=r"mine\.yaml: no such file; correct grading\.taxonomy in .*study\.yaml: `default`, `coding_agent` or the path",
    ):
        _ = opened.taxonomy
    (tmp_path / "mine.yaml").write_text("version: 1\nversion: 2\n")
    with pytest.raises(ConfigurationError, match=r"mine\.yaml, line 2, .*`version` is given twice"):
        _ = opened.taxonomy
