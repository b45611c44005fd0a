"""The default taxonomy is METHOD.md's; a taxonomy of one's own is read strictly."""

import pytest
import yaml

from depsim_dagster.errors import ConfigurationError

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
            {"version": "1", "categories": [{"id": "a", "group": "g", "definition": "d", "severity": 3}]},
            r"categories\.0\.severity: unknown key; accepted here: agentic, applies_to, definition, grader, group, id, rubric",
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
        ConfigurationError, match=r"mine\.yaml: no such file; correct grading\.taxonomy in .*study\.yaml"
    ):
        _ = opened.taxonomy
    (tmp_path / "mine.yaml").write_text("version: 1\nversion: 2\n")
    with pytest.raises(ConfigurationError, match=r"mine\.yaml, line 2, .*`version` is given twice"):
        _ = opened.taxonomy
