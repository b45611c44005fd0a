"""Presidio, spaCy and transformers as further detectors, on what runs without a download."""

import sys

import pytest
import yaml

from depsim_dagster.config import load_study
from depsim_dagster.config_sections import DeidentificationConfig
from depsim_dagster.errors import ConfigurationError, DepsimError, GateError
from depsim_dagster.privacy import detectors
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detectors import build_detectors, detector_packages
from depsim_dagster.study import Study


@pytest.fixture
def study(tmp_path):
    def make(*listed):
        document = {
            "version": 1,
            "name": "detectors",
            "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
            "weeks": {"first": "2026-01-05"},
            "deployments": [{"model": "m1", "released": "2026-01-05", "endpoint": "models"}],
            "endpoints": {"models": {"base_url": "http://127.0.0.1:9/v1", "max_attempts": 1}},
            "grading": {"graders": {"r": {"kind": "regex", "pattern": "x"}}, "default_grader": "r"},
            "deidentification": {"detectors": list(listed)},
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return Study(load_study(tmp_path / "study.yaml"))

    return make


def quoted(text, spans):
    return {(span.type, text[span.start : span.end]) for span in spans}


# ------------------------------------------------------------------------------------------------------- by the study


def test_a_study_without_detectors_has_none(study):
    assert build_detectors(study()) == ()
    assert detector_packages(study().config.deidentification) == {}


def test_a_detector_by_configuration_finds_details(study):
    pytest.importorskip("presidio_analyzer")
    (detector,) = build_detectors(study({"kind": "presidio"}))
    text = "Mail bob@acme.co.uk, IBAN DE89370400440532013000, see https://example.com on 2026-01-05"
    found = quoted(text, detector([text, ""])[0])
    assert {("email", "bob@acme.co.uk"), ("iban", "DE89370400440532013000")} <= found
    assert not any("example.com" in value or "2026" in value for _, value in found)


def test_a_missing_package_names_its_extra(study, monkeypatch):
    monkeypatch.setattr(detectors, "_version", lambda package: "absent")
    for kind, more in (("presidio", {}), ("spacy", {"model": "m"}), ("transformers", {"model": "m"})):
        with pytest.raises(ConfigurationError, match=rf"detectors\.0: .*depsim-dagster\[{kind}\]"):
            build_detectors(study({"kind": kind, **more}))


def test_a_model_detector_asks_no_server_until_it_is_used(study, monkeypatch):
    (detector,) = build_detectors(study({"kind": "llm", "endpoint": "models", "model": "m"}))
    assert detector(["", "…"]) == [[], []]


def test_versions_belong_to_the_measurement_stack(study):
    pytest.importorskip("presidio_analyzer")
    settings = DeidentificationConfig(
        detectors=({"kind": "presidio"}, {"kind": "llm", "endpoint": "e", "model": "m"})
    )
    assert set(detector_packages(settings)) == {"presidio-analyzer", "spacy", "phonenumbers"}
    plain, with_detector = study().stack, study({"kind": "presidio"}).stack
    assert "detector_packages" not in plain["deidentification"]
    assert with_detector["deidentification"]["detector_packages"]["spacy"]


# ------------------------------------------------------------------------------------------------------------ presidio


def test_presidio_takes_a_registry_of_the_user(study, tmp_path):
    pytest.importorskip("presidio_analyzer")
    registry = {
        "supported_languages": ["en"],
        "recognizers": [
            {
                "name": "Badges",
                "type": "custom",
                "supported_languages": [{"language": "en"}],
                "supported_entity": "BADGE",
                "patterns": [{"name": "badge", "regex": r"\bB-\d{4}\b", "score": 0.9}],
            }
        ],
    }
    (tmp_path / "badges.yaml").write_text(yaml.safe_dump(registry))
    (detector,) = build_detectors(study({"kind": "presidio", "recognizers": "badges.yaml"}))
    text = "Badge B-1234 of bob@acme.co.uk"
    assert quoted(text, detector([text])[0]) == {("account_number", "B-1234")}
    (tmp_path / "badges.yaml").write_text("recognizers: 7")
    with pytest.raises(ConfigurationError, match="badges.yaml is no recogniser registry"):
        build_detectors(study({"kind": "presidio", "recognizers": "badges.yaml"}))


def test_presidio_asks_no_network(study, monkeypatch):
    pytest.importorskip("presidio_analyzer")
    import socket

    (detector,) = build_detectors(study({"kind": "presidio"}))

    def refused(*_, **__):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert ("email", "ann@example.co.jp") in quoted("ann@example.co.jp", detector(["ann@example.co.jp"])[0])


# --------------------------------------------------------------------------------------------------------------- spaCy


def ruler(*patterns):
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns(
        [{"label": label, "pattern": text} for label, text in patterns]
    )
    return pipeline


def test_spacy_entities_become_spans_and_dates_stay(study, tmp_path):
    ruler(("PERSON", "Ada"), ("ORG", "Acme"), ("GPE", "Oslo"), ("DATE", "Monday"), ("MONEY", "ten")).to_disk(
        tmp_path / "mine"
    )
    (detector,) = build_detectors(study({"kind": "spacy", "model": "mine"}))
    text = "Ada of Acme came to Oslo on Monday for ten"
    expected = {("person", "Ada"), ("organisation", "Acme"), ("place", "Oslo")}
    found = detector(["nobody", text, ""])
    assert found[0] == found[2] == [] and quoted(text, found[1]) == expected


def test_spacy_reads_a_text_of_any_length():
    spacy_ner = pytest.importorskip("depsim_dagster.privacy.detectors.spacy_ner")
    text = "word " * 300_000 + "Ada " + "w" * 60_000 + " Ada"
    (found,) = spacy_ner.spacy_detector(ruler(("PERSON", "Ada")))([text])
    assert [span.start for span in found] == [text.index("Ada"), text.rindex("Ada")]


def test_a_pipeline_that_is_not_there_is_told(study):
    pytest.importorskip("spacy")
    for settings in (
        {"kind": "spacy", "model": "no_such_pipeline"},
        {"kind": "presidio", "model": "no_such_pipeline"},
    ):
        with pytest.raises(ConfigurationError, match=r"detectors\.0\.model: `no_such_pipeline` is neither"):
            build_detectors(study(settings))


def test_what_a_pipeline_raises_is_told_without_the_text():
    spacy_ner = pytest.importorskip("depsim_dagster.privacy.detectors.spacy_ner")
    from spacy.language import Language

    @Language.component("choking")
    def choking(document):
        raise ValueError(f"cannot read {document.text}")

    pipeline = ruler()
    pipeline.add_pipe("choking")
    with pytest.raises(DepsimError) as caught:
        spacy_ner.spacy_detector(pipeline)(["Ada is here"])
    assert "Ada" not in str(caught.value)


# -------------------------------------------------------------------------------------------------------- transformers


def test_transformers_entities_become_spans():
    from depsim_dagster.privacy.detectors.transformers_ner import transformers_detector

    asked = []

    def pipeline(texts):
        asked.extend(texts)
        entities = [
            {"entity_group": "PER", "start": 0, "end": 3, "score": 0.9},
            {"entity_group": "MISC", "start": 4, "end": 6},
            {"entity_group": "B-DATEOFBIRTH", "start": 7, "end": 11},
            {"entity_group": "LOC", "start": 7, "end": 99},
        ]
        return [entities for _ in texts]

    found = transformers_detector(pipeline)(["", "Ada in 1815", " "])
    assert asked == ["Ada in 1815"]
    assert found == [[], [IdentifierSpan("person", 0, 3), IdentifierSpan("birth_date", 7, 11)], []]


def test_a_model_without_offsets_stops_the_batch():
    from depsim_dagster.privacy.detectors.transformers_ner import transformers_detector

    with pytest.raises(GateError, match="offsets"):
        transformers_detector(lambda texts: [[{"entity": "PER", "word": "Ada"}]])(["Ada"])


def test_a_folder_that_is_no_model_is_told(study, monkeypatch, tmp_path):
    monkeypatch.setattr(detectors, "_version", lambda package: "1")
    with pytest.raises(ConfigurationError, match="models are not downloaded"):
        build_detectors(study({"kind": "transformers", "model": "gone"}))
    fake = type(sys)("transformers")
    fake.pipeline = lambda *_, **__: (_ for _ in ()).throw(OSError("no config.json"))
    monkeypatch.setitem(sys.modules, "transformers", fake)
    (tmp_path / "model").mkdir()
    with pytest.raises(ConfigurationError, match="is no token-classification model"):
        build_detectors(study({"kind": "transformers", "model": "model"}))
