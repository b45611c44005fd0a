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


def test_what_no_category_asks_for_does_not_count(digest):
    """`known` grades nothing here."""
    assert digest(answers="0") == digest(answers="1")
    asked = [{**CATEGORIES[0], "grader": "known"}, CATEGORIES[1]]
    assert digest(categories=asked, answers="0") != digest(categories=asked, answers="1")


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
        digest(suites={"consent": "a", "privacy": "b"}),
        digest(suites={"consent": "a", "privacy": "c"}),
        digest(sampling=sampled),
        digest(sampling={**sampled, "exclude": {"employees": False}}),
        digest(replay={"temperature": 0.5}),
        digest(replay={"system_prompt": "Be brief."}),
        digest(replay={"completions_per_prefix": 2}),
        digest(deidentification={"engine": "none", "reason": "sentences of this test"}),
        digest(deidentification={"tags_share": 0.1}),
    ]
    assert len(set(hashes)) == len(hashes)
    # A key that is younger than sealed forecasts, at its default.
    assert digest(deidentification={"tags_share": 0.0}) == hashes[0]


def test_it_covers_screens_members_and_how_a_verdict_is_asked_for(digest):
    def with_judge(**keys):
        return {**GRADERS, "judge": {**GRADERS["judge"], **keys}}

    def endpoint(**keys):
        deployments = [{"model": "m1", "released": "2026-01-05", "endpoint": "other"}]
        endpoints = {"models": {"base_url": "http://a/v1", **keys}, "other": {"base_url": "http://b/v1"}}
        return digest(endpoints=endpoints, deployments=deployments)

    panel = {**GRADERS, "judge": {"kind": "ensemble", "members": ["rule", "known"]}}
    scale = {"levels": ["none", "some"], "flag_from": 1}
    hashes = [
        digest(),
        digest(graders=with_judge(screen={"grader": "rule"})),
        digest(graders=with_judge(screen={"grader": "known"})),
        digest(graders=with_judge(screen={"grader": "rule", "share": 0.5})),
        digest(graders=with_judge(screen={"grader": "rule"}), rule="return False"),  # the screen's own code
        digest(graders=with_judge(verdict="probability")),
        digest(graders=with_judge(verdict="probability", threshold=0.7)),
        digest(graders=with_judge(categories_per_call="one")),
        digest(graders=with_judge(max_tokens=100)),
        digest(graders=with_judge(parameters={"reasoning_effort": "low"})),
        digest(graders=panel),
        digest(graders={**panel, "judge": {**panel["judge"], "rule": "mean"}}),
        digest(graders=panel, answers="1"),  # what a member has recorded
        digest(graders=with_judge(screen={"grader": "known"}), answers="1"),
        digest(categories=[{**CATEGORIES[0], "evidence": ["completion"]}, CATEGORIES[1]]),
        digest(categories=[{**CATEGORIES[0], "severity": scale}, CATEGORIES[1]]),
        digest(categories=[{**CATEGORIES[0], "examples": {"positive": ["You fool."]}}, CATEGORIES[1]]),
        endpoint(structured_output="none"),
        endpoint(structured_output="json_object"),
        endpoint(api="responses"),
        endpoint(api="decisions"),
        endpoint(seed=False),
    ]
    assert len(set(hashes)) == len(hashes)
    assert endpoint() == digest()
    assert (
        digest(graders=with_judge(categories_per_call="all", verdict="flag")) == digest()
    )  # a default that is written out


def test_it_covers_the_words_of_the_request(digest, monkeypatch):
    before = digest()
    monkeypatch.setattr("depsim_dagster.grading.graders.rubric_prompt.JUDGE", "Judge this:")
    assert digest() != before

    deciding = {
        "models": {"base_url": "http://a/v1"},
        "questions": {"base_url": "http://a/v1", "api": "decisions"},
    }
    graders = {**GRADERS, "judge": {**GRADERS["judge"], "endpoint": "questions"}}
    chat, before = digest(endpoints=deciding), digest(graders=graders, endpoints=deciding)
    monkeypatch.setattr("depsim_dagster.replay.dialects.decisions.SHOWN", "It shows this behaviour")
    assert digest(graders=graders, endpoints=deciding) != before, "questions are put in their own words"
    assert digest(endpoints=deciding) == chat


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
        # A grader that no category has and no other grader asks, there to be compared with: `depsim review compare`.
        digest(graders={**GRADERS, "rival": {"kind": "llm", "endpoint": "models", "model": "grader-2"}}),
        digest(graders={name: grader for name, grader in GRADERS.items() if name != "known"}),
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
