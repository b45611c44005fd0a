"""The measurement stack's hash changes with what decides a label, and with nothing else."""

import pytest

GRADERS = {
    "judge": {"kind": "llm", "endpoint": "models", "model": "grader-1"},
    "rule": {"kind": "python", "function": "rules.py:rule"},
    "known": {"kind": "recorded", "label": "bad", "recorded": {"files": ["answers.csv"]}},
}
CATEGORIES = [{"id": "rude", "rubric": "Flag insults."}, {"id": "sly", "grader": "rule"}]


@pytest.fixture
def digest(study, tmp_path):
    """The hash of a study whose sections and files are as given."""

    def digest(
        graders=GRADERS, categories=CATEGORIES, rule="return True", answers="0", suites=None, **sections
    ):
        (tmp_path / "rules.py").write_text(f"def rule(evidence): {rule}\n")
        folder = tmp_path / sections.pop("folder", ".")
        folder.mkdir(exist_ok=True)
        (folder / "answers.csv").write_text(f"prompt,model,answer,bad\np,m,a,{answers}\n")
        opened = study(graders, categories, **sections)
        if suites is not None:
            opened.suite_versions = suites  # a cached property: the versions of another installation
        return opened.stack_hash

    return digest


def test_the_same_study_has_the_same_hash(digest):
    first = digest()
    assert first == digest() and len(first) == 32 and int(first, 16)


def test_it_changes_with_everything_that_decides_a_label(digest):
    other_model = {**GRADERS, "judge": {**GRADERS["judge"], "model": "grader-2"}}
    other_pattern = {**GRADERS, "rule": {"kind": "regex", "pattern": "a"}}
    sampled = {"turns_per_week": 50}
    hashes = [
        digest(),
        digest(categories=[{"id": "rude", "rubric": "Flag insults and sarcasm."}, CATEGORIES[1]]),
        digest(categories=[{"id": "rude", "rubric": "Flag insults.", "definition": "Other."}, CATEGORIES[1]]),
        digest(categories=[*CATEGORIES, {"id": "new"}]),
        digest(categories=[CATEGORIES[0], {"id": "sly"}]),
        digest(categories=[CATEGORIES[0], {**CATEGORIES[1], "applies_to": {"kind": ["chat"]}}]),
        digest(graders=other_model),
        digest(graders=other_pattern),
        digest(rule="return False"),
        digest(answers="1"),
        digest(suites={"consent": "a", "privacy": "b"}),
        digest(suites={"consent": "a", "privacy": "c"}),
        digest(sampling=sampled),
        digest(sampling={**sampled, "exclude": {"employees": False}}),
        digest(replay={"temperature": 0.5}),
        digest(replay={"system_prompt": "Be brief."}),
        digest(replay={"completions_per_prefix": 2}),
        digest(deidentification={"engine": "none", "reason": "sentences of this test"}),
    ]
    assert len(set(hashes)) == len(hashes)


def test_it_does_not_change_with_what_cannot_change_a_label(digest):
    moved = {**GRADERS, "known": {**GRADERS["known"], "recorded": {"files": ["moved/answers.csv"]}}}
    deployments = [
        {"model": "m1", "released": "2026-01-05", "endpoint": "models"},
        {"model": "m2", "released": "2026-02-02", "endpoint": "models", "predecessor": "m1"},
    ]
    hashes = {
        digest(),
        digest(base_url="https://elsewhere.example:8443/v1"),
        digest(endpoints={"models": {"base_url": "http://a/v1", "max_in_flight": 3, "api_key_env": "A_KEY"}}),
        digest(store="other-store"),
        digest(name="other-name"),
        digest(weeks={"first": "2026-01-05", "last": "2026-03-02"}),
        digest(deployments=deployments),
        digest(estimation={"level": 0.9}),
        digest(graders=moved, folder="moved"),
        digest(deidentification={"hmac_key_env": "OTHER_KEY"}),
    }
    assert len(hashes) == 1


def test_the_code_of_an_installed_rule_counts(digest, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    graders = {**GRADERS, "rule": {"kind": "python", "function": "stack_rules_of_this_test:rule"}}
    hashes = set()
    for body in ("return True", "return None"):
        (tmp_path / "stack_rules_of_this_test.py").write_text(f"def rule(evidence): {body}\n")
        hashes.add(digest(graders=graders))
    hashes.add(
        digest(graders={**GRADERS, "rule": {"kind": "python", "function": "no_such_package.rules:rule"}})
    )
    assert len(hashes) == 3
