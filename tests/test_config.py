"""The study file: every kind of mistake is one error with file, key and way out; and what follows from the releases."""

import copy
import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from depsim_dagster.config import (
    EMBEDDED_HMAC_KEY,
    StudyConfig,
    load_study,
    study_file_from_environment,
)
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.study import Study
from depsim_dagster.templates import TEMPLATES, write_template

STUDY: dict[str, Any] = {
    "version": 1,
    "name": "study",
    "traffic": {"paths": ["logs/*.parquet"], "consent": {"ledger": "consent.parquet"}},
    "weeks": {"first": dt.date(2026, 1, 5), "last": dt.date(2026, 3, 23)},
    "deployments": [
        {"model": "v1", "released": dt.date(2026, 1, 5), "endpoint": "models"},
        {"model": "v2", "released": dt.date(2026, 2, 4), "endpoint": "models", "predecessor": "v1"},
        {"model": "v3", "released": dt.date(2026, 3, 2), "endpoint": "models", "predecessor": "v2"},
    ],
    "endpoints": {"models": {"base_url": "http://127.0.0.1:8000/v1", "api_key_env": "MODELS_KEY"}},
    "grading": {
        "graders": {"judge": {"kind": "llm", "endpoint": "models", "model": "grader"}},
        "default_grader": "judge",
    },
}
REMOVE = object()
RECORDED = {
    "kind": "recorded",
    "recorded": {"files": ["a.csv"], "columns": {"prompt": "p", "model": "m", "answer": "a"}},
}


def changed(*changes: tuple[str, Any]) -> dict[str, Any]:
    """STUDY with the value at each dotted path replaced, added or removed."""
    study = copy.deepcopy(STUDY)
    for path, value in changes:
        *parents, last = path.split(".")
        place: Any = study
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        key = int(last) if isinstance(place, list) else last
        if value is REMOVE:
            del place[key]
        else:
            place[key] = value
    return study


@pytest.fixture
def load(tmp_path: Path):
    def load(content: Any) -> StudyConfig:
        file = tmp_path / "study.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        file.write_text(text, encoding="utf-8")
        return load_study(file)

    return load


@pytest.fixture
def problems(load, tmp_path: Path):
    """The lines of the error that this content gives, each without the file's name, which every line must have."""

    def problems(content: Any) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            load(content)
        lines = str(raised.value).split("\n")
        prefix = str(tmp_path / "study.yaml")
        assert all(line.startswith(prefix) for line in lines)
        # Pydantic's own exception quotes the values, so it must not be shown below ours.
        error = raised.value
        assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
        return [line.removeprefix(prefix).removeprefix(": ") for line in lines]

    return problems


# -------------------------------------------------------------------------------------------------------- wrong files


def test_the_study_of_these_tests_is_right(load):
    assert load(STUDY).name == "study"


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: no such study file.*study init"):
        load_study(tmp_path / "nowhere.yaml")


def test_a_folder_is_not_a_study_file(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("version: 1\nname: [unclosed", ", line 2", "expected"),
        ("version: 1\n\tname: x", ", line 2", "cannot start any token"),
        ("version: 1\nname: a\nname: b\n", ", line 3", "`name` is given twice"),
        ("version: 1\nweeks: {first: 2026-01-05, first: 2026-01-12}", ", line 2", "`first` is given twice"),
        ("version: 1\nweeks:\n  first: 2026-02-30\n", ", line 3", "no such date"),
        ("version: 1\nname: *nothing\n", ", line 2", "undefined alias"),
        ("name: a\x00b", "", "not valid YAML"),
        ("[" * 5000, "", "not valid YAML"),
    ],
)
def test_what_is_not_yaml_is_named_with_its_line(problems, text, where, reason):
    (line,) = problems(text)
    assert line.startswith(where) and reason in line


def test_text_that_is_not_utf_8(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_bytes(b"version: 1\nname: caf\xe9\n")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_study(file)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "42"])
def test_what_is_not_a_mapping(problems, text):
    assert problems(text) == ["a study file is a mapping that starts with `version: 1`"]


def test_a_merge_key_may_be_overridden(load):
    text = yaml.safe_dump(changed(("endpoints", REMOVE)), sort_keys=False) + (
        "endpoints:\n  other: &base {base_url: 'http://a/v1', max_attempts: 2}\n"
        "  models: {<<: *base, base_url: 'http://b/v1'}\n"
    )
    study = load(text)
    assert study.endpoints["models"].base_url == "http://b/v1" and study.endpoints["models"].max_attempts == 2


# --------------------------------------------------------------------------------------------------------- wrong keys


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("colour", "audit, awareness, budget, deidentification, deployments, "),
        (
            "traffic.colour",
            "as_of, challenging_prompts, consent, defaults, evaluation_prompts, external_corpus, fields, format, models, paths, recorded",
        ),
        ("traffic.consent.colour", "ledger, public_corpus, retroactive_grants, scope"),
        ("traffic.recorded.colour", "columns, files, strip_model_prefix"),
        ("traffic.recorded.columns.colour", "answer, attributes, model, prompt"),
        (
            "sampling.colour",
            "duplicates, exclude, one_turn_per_conversation, strata, turns_per_user, turns_per_week",
        ),
        ("sampling.exclude.colour", "api, attachments, employees, enterprise, images, temporary_chats"),
        ("weeks.colour", "first, last"),
        ("windows.colour", "forecast_weeks, observation_weeks"),
        ("deployments.0.colour", "endpoint, model, predecessor, released, served_as"),
        ("endpoints.models.colour", "api, api_key_env, base_url, batch, kind, "),
        (
            "replay.colour",
            "completions_per_prefix, max_tokens, parameters, system_prompt, temperature, top_p",
        ),
        ("deidentification.colour", "detectors, engine, hmac_key_env, reason, surrogates, tags_share"),
        ("grading.colour", "default_grader, graders, human_labels, taxonomy"),
        (
            "grading.graders.judge.colour",
            "categories_per_call, endpoint, function, kind, label, max_tokens, members, model",
        ),
        ("estimation.colour", "call_probability, correction, discount, level, scorecards, shift, tau"),
        ("estimation.shift.colour", "by, minimum, target, topic, trim"),
    ],
)
def test_an_unknown_key_at_any_depth_is_told_what_is_accepted(problems, path, accepted):
    lines = problems(changed((path, "blue")))
    (line,) = [line for line in lines if line.startswith(f"{path}: ")]
    assert line.startswith(f"{path}: unknown key; accepted here: {accepted}")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, "should be 1"),
        ("name", "two words", "letters, digits"),
        ("name", 7, "valid string"),
        ("seed", "7", "valid integer"),
        ("seed", True, "valid integer"),
        ("seed", -1, "greater than or equal to 0"),
        ("store", "", "at least 1 character"),
        ("traffic", ["logs"], "must be a mapping with keys of: as_of, challenging_prompts, consent"),
        ("traffic.format", "csv", "'sharegpt' or 'recorded_answers'"),
        ("traffic.paths", "logs/*.parquet", "must be a list"),
        ("traffic.as_of", 20260330, "a date such as"),
        ("traffic.as_of", dt.datetime(2026, 3, 30), ""),
        ("sampling.turns_per_week", 0, "greater than or equal to 1"),
        ("sampling.exclude.api", "no", "valid boolean"),
        ("weeks.first", dt.date(2026, 1, 6), "Monday (UTC); use 2026-01-05 or 2026-01-12"),
        ("weeks.last", "2026-01-11", "use 2026-01-05 or 2026-01-12"),
        ("weeks.first", 20260105, "a date such as"),
        ("weeks.first", "soon", "valid date"),
        ("deployments", [], "at least 1 item"),
        ("deployments.0.model", "a|b", "letters, digits and . _ : @ / + -"),
        ("deployments.0.model", "v1\n", "letters, digits"),
        ("deployments.0.released", REMOVE, "required"),
        ("windows.forecast_weeks", 0, "greater than or equal to 1"),
        ("endpoints.models.max_in_flight", 0, "greater than or equal to 1"),
        ("endpoints.models.max_tokens_param", "tokens", "'max_tokens' or 'max_completion_tokens'"),
        ("endpoints.models.api_key_env", "sk-live-abc", "not the secret itself"),
        ("endpoints.models.kind", "ollama", "'openai', 'sandbox' or 'recorded'"),
        ("replay.temperature", 3, "less than or equal to 2"),
        ("replay.parameters", {"model": "x"}, "`model` is set for each request and cannot be given here"),
        ("replay.parameters", {"seed": 1}, "`seed` is set for each request"),
        ("replay.parameters", {"temperature": 0.2}, "`temperature` has a key of its own; set that one"),
        ("grading.graders.judge.parameters", {"max_completion_tokens": 9}, "`max_tokens` is the key for it"),
        ("deidentification.engine", "presidio", "'embedded' or 'none'"),
        ("grading.graders.judge.kind", "human", "'llm', 'regex', 'python', 'recorded' or 'ensemble'"),
        ("estimation.level", 95, "less than 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(problems, path, value, message):
    lines = problems(changed((path, value)))
    section = path.rpartition(".")[0]
    assert any(line.startswith((f"{path}: ", f"{section}: ")) and message in line for line in lines), lines


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            [("traffic.consent", {})],
            "traffic.consent: give exactly one of `ledger` (its path) and `public_corpus` (the reason)",
        ),
        (
            [("traffic.consent.public_corpus", "published benchmark prompts")],
            "traffic.consent: give exactly one of `ledger` (its path) and `public_corpus` (the reason)",
        ),
        (
            [("traffic.as_of", "2026-03-30T00:00:00")],
            "traffic: `as_of` needs a time zone, for example 2026-03-30T00:00:00Z",
        ),
        ([("traffic.paths", [])], "traffic: format `depsim` needs the key `paths`"),
        (
            [("traffic.recorded", {"files": ["a.csv"]})],
            "traffic: format `depsim` has no key `recorded`; it belongs to format `recorded_answers`",
        ),
        (
            [("weeks", {"first": dt.date(2026, 1, 12), "last": dt.date(2026, 1, 5)})],
            "weeks: `last` (2026-01-05) is before `first` (2026-01-12)",
        ),
        ([("deidentification.engine", "none")], "deidentification: engine `none` needs a `reason`"),
        (
            [("endpoints.models", {"kind": "sandbox", "base_url": "http://a/v1"})],
            "endpoints.models: kind `sandbox` has no key `base_url`; it belongs to kind `openai`",
        ),
        (
            [("endpoints.models", {"kind": "recorded"})],
            "endpoints.models: kind `recorded` needs the key `recorded`",
        ),
        (
            [("endpoints.models.base_url", "http://user:pw@host/v1")],
            "endpoints.models: `base_url` must hold no credentials: name the key's variable in `api_key_env`",
        ),
        (
            [("endpoints.models.base_url", "ftp://host/v1")],
            "endpoints.models: `base_url` must be http:// or https:// with a host, for example http://host:8000/v1",
        ),
        (
            [("grading.graders.judge.model", REMOVE)],
            "grading.graders.judge: kind `llm` needs the key `model`",
        ),
        (
            [("grading.graders.judge.pattern", "x")],
            "grading.graders.judge: kind `llm` has no key `pattern`; it belongs to kind `regex`",
        ),
        (
            [("deployments.1.endpoint", "elsewhere")],
            "deployments.v2.endpoint: `elsewhere` is not one of models",
        ),
        ([("deployments.1.predecessor", "v0")], "deployments.v2.predecessor: `v0` is not one of v1, v2, v3"),
        (
            [("deployments.0.predecessor", "v2")],
            "deployments.v1.predecessor: `v2` was released on 2026-02-04 00:00, which is not before 2026-01-05 00:00; "
            "name a model that was released earlier, or correct `released`",
        ),
        (
            [("deployments.0.predecessor", "v1")],
            "deployments.v1.predecessor: `v1` was released on 2026-01-05 00:00, which is not before 2026-01-05 00:00; "
            "name a model that was released earlier, or correct `released`",
        ),
        (
            [("deployments.1.model", "v1"), ("deployments.2.predecessor", "v1")],
            "deployments: `v1` is listed twice; every `model` must be unique",
        ),
        (
            [("grading.graders.judge.endpoint", "elsewhere")],
            "grading.graders.judge.endpoint: `elsewhere` is not one of models",
        ),
        ([("grading.default_grader", "nobody")], "grading.default_grader: `nobody` is not one of judge"),
        ([("awareness.detectors", ["nobody"])], "awareness.detectors: `nobody` is not one of judge"),
        (
            [("awareness.detectors", ["self", "self"])],
            "awareness: `detectors` names each detector once, and at least one",
        ),
        ([("awareness.monitor", "nobody")], "awareness.monitor: `nobody` is not one of judge"),
        (
            [
                ("awareness", {}),
                ("grading.graders.judge", {"kind": "llm", "endpoint": "models", "model": "g"}),
            ]
            + [("grading.graders.self", {"kind": "regex", "pattern": "test"})],
            "awareness.detectors: `self` is the model itself; give the grader of this name another",
        ),
        (
            [("awareness", {}), ("endpoints.old", RECORDED), ("deployments.0.endpoint", "old")],
            "awareness.detectors: `self` asks `v1`, of which there are recorded answers only; name graders in place of it",
        ),
        ([("audit.auditor", "nobody")], "audit.auditor: `nobody` is not one of judge"),
        (
            [("audit.auditor", "rule"), ("grading.graders.rule", {"kind": "regex", "pattern": "test"})],
            "audit.auditor: `rule` is of kind regex, which describes nothing; name one of kind llm",
        ),
        (
            [("audit", {}), ("grading.default_grader", REMOVE)],
            "audit.auditor: name one of judge; the study has no grading.default_grader",
        ),
        (
            [("audit.embeddings", {"endpoint": "elsewhere", "model": "m"})],
            "audit.embeddings.endpoint: `elsewhere` is not one of models",
        ),
        (
            [("grading.graders.judge.threshold", 0.9)],
            "grading.graders.judge.threshold: a verdict `flag` has no probability that could reach it; set `verdict` to "
            "`probability`",
        ),
        (
            [
                (
                    "grading.graders.panel",
                    {"kind": "ensemble", "members": ["judge", "other"], "threshold": 0.9},
                ),
                ("grading.graders.other", {"kind": "regex", "pattern": "a"}),
            ],
            "grading.graders.panel: `threshold` belongs to rule `mean`; a majority counts flags",
        ),
        (
            [("endpoints.models.api", "decisions")],
            "deployments.v1.endpoint: `models` speaks the Decisions API, which writes no turn",
        ),
        (
            [("endpoints.models.api", "decisions"), ("endpoints.models.batch", {})],
            "endpoints.models: `batch` belongs to api `chat` and `responses`; providers batch no decisions",
        ),
        (
            [("endpoints.models.api", "responses"), ("endpoints.models.seed", True)],
            "endpoints.models: api `responses` has no key `seed`; remove it",
        ),
        (
            [("grading.graders.vote", {"kind": "ensemble", "members": ["judge"]})],
            "grading.graders.vote: an ensemble needs at least two different `members`",
        ),
        (
            [("grading.graders.vote", {"kind": "ensemble", "members": ["judge", "nobody"]})],
            "grading.graders.vote.members: `nobody` is not one of judge, vote",
        ),
        (
            [("grading.graders.vote", {"kind": "ensemble", "members": ["judge", "vote"]})],
            "grading.graders.vote: `vote` must be a grader without members and screen of its own",
        ),
        (
            [("grading.graders.judge.screen", {"grader": "judge"})],
            "grading.graders.judge: `judge` must be a grader without members and screen of its own",
        ),
        (
            [("grading.graders.word", {"kind": "regex", "pattern": "x", "verdict": "flag"})],
            "grading.graders.word: kind `regex` has no key `verdict`; it belongs to kind `llm`",
        ),
    ],
)
def test_keys_that_do_not_fit_each_other(problems, changes, line):
    assert line in problems(changed(*changes))


def test_every_problem_is_told_at_once_also_when_some_keys_cannot_be_read(problems):
    lines = problems(
        changed(
            ("colour", "blue"),
            ("weeks.first", dt.date(2026, 1, 6)),
            ("replay.temperature", "hot"),
            ("deployments.0.endpoint", "elsewhere"),
            ("deployments.2.predecessor", "v9"),
            ("grading.default_grader", "nobody"),
        )
    )
    keys = {line.split(": ")[0] for line in lines}
    assert keys == {
        "colour",
        "weeks.first",
        "replay.temperature",
        "deployments.v1.endpoint",
        "deployments.v3.predecessor",
        "grading.default_grader",
    }
    assert len(lines) == len(keys)


def test_an_unreadable_section_causes_no_follow_up_problems(problems):
    lines = problems(changed(("deployments.0.model", "a|b"), ("endpoints.models.max_attempts", 0)))
    assert {line.split(": ")[0] for line in lines} == {"deployments.0.model", "endpoints.models.max_attempts"}


# ------------------------------------------------------------------------------------------------------------ secrets


def test_no_secret_is_in_an_error_or_a_repr(problems, load, monkeypatch):
    secret = "sk-live-0123456789"
    lines = problems(
        changed(
            ("endpoints.models.api_key", secret),
            ("endpoints.models.api_key_env", secret),
            ("deidentification.hmac_key_env", secret),
            ("endpoints.models.base_url", f"https://user:{secret}@host/v1"),
        )
    )
    assert len(lines) == 3 and secret not in "\n".join(lines)
    monkeypatch.setenv("MODELS_KEY", secret)
    monkeypatch.setenv("DEPSIM_HMAC_KEY", secret)
    study = load(STUDY)
    assert study.hmac_key == secret.encode()
    endpoint = Study(study).endpoint("models")
    assert endpoint.api_key == secret
    assert secret not in repr(study) + str(study) + repr(endpoint) + study.model_dump_json()


def test_an_unset_endpoint_key_names_its_variable(load, monkeypatch):
    monkeypatch.delenv("MODELS_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"endpoints\.models\.api_key_env: .* MODELS_KEY is not set"):
        Study(load(STUDY)).endpoint("models")


@pytest.mark.parametrize("value", [None, "", "short"])
def test_a_study_of_other_peoples_servers_needs_a_real_hmac_key(load, monkeypatch, value):
    monkeypatch.delenv("DEPSIM_HMAC_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("DEPSIM_HMAC_KEY", value)
    with pytest.raises(
        ConfigurationError, match=r"study\.yaml: deidentification\.hmac_key_env: .*DEPSIM_HMAC_KEY"
    ) as e:
        load(STUDY).hmac_key  # noqa: B018
    assert "short'" not in str(e.value) and "long random secret" in str(e.value)


RECORDED = {"kind": "recorded", "recorded": {"files": ["answers.csv"]}}


@pytest.mark.parametrize(
    ("changes", "needs_key"),
    [
        ([("endpoints.models", {"kind": "sandbox", "world": "world.json"})], False),
        (
            [("endpoints.models", RECORDED), ("traffic.consent", {"public_corpus": "published prompts"})],
            False,
        ),
        # Real users' logs, replayed on recorded answers: their pseudonyms must not hang on a key that everyone knows.
        ([("endpoints.models", RECORDED)], True),
        ([("endpoints.sandbox", {"kind": "sandbox", "world": "world.json"})], True),
        (
            [
                ("endpoints.models", RECORDED),
                ("traffic.consent", {"public_corpus": "published prompts"}),
                ("traffic.challenging_prompts", {"paths": ["p"], "consent": {"ledger": "c.parquet"}}),
            ],
            True,
        ),
    ],
)
def test_only_synthetic_or_public_traffic_goes_without_a_key(load, monkeypatch, changes, needs_key):
    monkeypatch.delenv("DEPSIM_HMAC_KEY", raising=False)
    study = load(changed(*changes))
    if needs_key:
        with pytest.raises(ConfigurationError):
            study.hmac_key  # noqa: B018
    else:
        assert study.hmac_key == EMBEDDED_HMAC_KEY.encode()
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a key of one's own")
    assert study.hmac_key == b"a key of one's own"


# -------------------------------------------------------------------------------------------------- paths and lineage


def test_paths_are_relative_to_the_file_wherever_one_stands(tmp_path, monkeypatch):
    folder = tmp_path / "moved here"
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    monkeypatch.chdir(tmp_path)
    study = load_study(folder / "study.yaml")
    assert study.store_root == folder / "store"
    assert study.path("../elsewhere/a.csv") == folder / "../elsewhere/a.csv"
    assert study.path("/data/a.csv") == Path("/data/a.csv")
    assert study.path("~/a.csv") == Path("~/a.csv").expanduser()
    monkeypatch.chdir(folder)
    assert load_study("study.yaml").store_root.resolve() == folder / "store"


def test_the_study_file_is_found_by_variable_then_here_then_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEPSIM_STUDY", raising=False)
    assert study_file_from_environment() == Path("study.yaml")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "study.yaml").write_text("")
    assert study_file_from_environment() == Path("demo", "study.yaml")
    (tmp_path / "study.yaml").write_text("")
    assert study_file_from_environment() == Path("study.yaml")
    monkeypatch.setenv("DEPSIM_STUDY", os.fspath(tmp_path / "other.yaml"))
    assert study_file_from_environment() == tmp_path / "other.yaml"


def days(*texts: str) -> tuple[dt.date, ...]:
    return tuple(dt.date.fromisoformat(text) for text in texts)


@pytest.mark.parametrize(
    ("released", "forecast", "observation"),
    [
        ("2026-02-02", ("2026-01-19", "2026-01-26"), ("2026-02-02", "2026-02-09")),  # a Monday
        (
            "2026-02-04",
            ("2026-01-19", "2026-01-26"),
            ("2026-02-09", "2026-02-16"),
        ),  # the week of the release is neither
        ("2026-02-08", ("2026-01-19", "2026-01-26"), ("2026-02-09", "2026-02-16")),  # a Sunday
        ("2026-01-12", ("2026-01-05",), ("2026-01-12", "2026-01-19")),  # the study starts late
        ("2026-01-06", (), ("2026-01-12", "2026-01-19")),
        ("2026-03-17", ("2026-03-02", "2026-03-09"), ("2026-03-23",)),  # the study ends early
        ("2026-03-24", ("2026-03-09", "2026-03-16"), ()),
    ],
)
def test_windows_are_the_full_weeks_around_the_release_within_the_study(
    load, released, forecast, observation
):
    day = dt.date.fromisoformat(released)
    study = load(changed(("deployments.1.released", day), ("deployments.2", REMOVE)))
    assert study.forecast_weeks("v2") == days(*forecast)
    assert study.observation_weeks("v2") == days(*observation)


def test_a_running_study_has_no_last_week(load):
    study = load(changed(("weeks.last", REMOVE), ("deployments.2.released", dt.date(2027, 5, 3))))
    assert study.observation_weeks("v3") == days("2027-05-03", "2027-05-10")


def test_lineage(load):
    study = load(STUDY)
    assert [deployment.model for deployment in study.candidates] == ["v2", "v3"]
    assert study.replayed_deployments("v1") == {"v1"}
    assert study.replayed_deployments("v3") == {"v2", "v3"}
    with pytest.raises(ConfigurationError, match="no model `v9`; known models: v1, v2, v3"):
        study.deployment("v9")


@pytest.mark.parametrize(
    ("week", "models"),
    [
        ("2025-12-29", set()),
        ("2026-01-05", {"v1"}),
        ("2026-02-02", {"v1", "v2"}),  # the week of a release on a Wednesday
        ("2026-02-09", {"v2"}),
        ("2026-02-23", {"v2"}),
        ("2026-03-02", {"v3"}),  # a release on a Monday
    ],
)
def test_models_that_answer_in_a_week(load, week, models):
    assert load(STUDY).live_deployments(dt.date.fromisoformat(week)) == models


@pytest.mark.parametrize(
    ("week", "models"),
    [
        ("2025-12-29", ()),  # nothing is live yet
        ("2026-01-05", ("v1", "v2")),
        ("2026-01-26", ("v1", "v2")),
        ("2026-02-02", ("v1", "v2", "v3")),  # v2 replaces v1 on the Wednesday
        ("2026-02-09", ("v2", "v3")),
        ("2026-02-23", ("v2", "v3")),
        ("2026-03-02", ("v3",)),
        ("2026-03-23", ("v3",)),
    ],
)
def test_models_simulated_in_a_week(load, week, models):
    assert load(STUDY).simulated_models(dt.date.fromisoformat(week)) == models


# ----------------------------------------------------------------------------------------------------------- templates


@pytest.mark.parametrize(
    "name", sorted(path.name for path in TEMPLATES.iterdir() if path.joinpath("study.yaml").is_file())
)
def test_templates_are_studies(name, tmp_path):
    data = tmp_path / "data [1]"
    data.mkdir()
    (data / "X_EVAL.csv").write_text("query,model,answer\n")
    study = load_study(write_template(name, tmp_path / "study", data))
    assert Study(study).taxonomy.categories
    if study.traffic.recorded is not None:
        from depsim_dagster.traffic.log_files import matching_files

        assert matching_files(study, study.traffic.recorded.files, "key") == [data / "X_EVAL.csv"]
    with pytest.raises(ConfigurationError, match="is there already"):
        write_template(name, tmp_path / "study", data)
