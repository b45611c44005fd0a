"""Microsoft Presidio's analyzer as a further detector, without any download.

By default every pattern and checksum recogniser that Presidio ships runs on a blank spaCy pipeline, those of all
countries included, whatever the language of the text. A registry file of the user's own (Presidio's YAML) replaces
that choice, and an installed spaCy pipeline adds names and places.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import presidio_analyzer
import spacy
import tldextract
import yaml
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, predefined_recognizers
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from presidio_analyzer.recognizer_registry import RecognizerRegistry, RecognizerRegistryProvider

from depsim_dagster.errors import ConfigurationError, text_free
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detectors.found_types import found_type
from depsim_dagster.privacy.detectors.spacy_ner import load_pipeline

if TYPE_CHECKING:
    from depsim_dagster.privacy.detectors import Detector

LANGUAGE = "en"
# What Presidio gives to a weak pattern with a word of context beside it; a weak pattern alone is any number.
LOWEST_SCORE = 0.4
# What a registry of the user's finds under a name of its own: replaced by something of the same shape.
OTHERWISE = "account_number"
# Parts of Presidio's package with recognisers that need neither a service nor a model.
_SELF_CONTAINED = (".generic.", ".country_specific.")


def presidio_detector(where: str, registry: Path | None = None, model: str | None = None) -> Detector:
    """`registry`: a recogniser registry file; `model`: an installed spaCy pipeline or its folder.

    Raises:
        ConfigurationError: the file or the pipeline cannot be loaded.
    """
    nlp = spacy.blank(LANGUAGE) if model is None else load_pipeline(model, where)
    engine = analyzer(nlp, _registry(registry, where, model is not None))

    def detect(texts: list[str]) -> list[list[IdentifierSpan]]:
        with text_free(where):
            return [list(_spans(engine, text)) for text in texts]

    return detect


def analyzer(nlp: Any, registry: RecognizerRegistry | None = None) -> AnalyzerEngine:
    """Presidio's engine on a loaded pipeline; its default recognisers when no registry is given. Asks no network."""
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)  # it logs what it skips, once a recogniser
    engine = SpacyNlpEngine()
    engine.nlp = {LANGUAGE: nlp}
    if registry is None:
        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=[LANGUAGE])
    for recogniser in [found for found in registry.recognizers if type(found) is EmailRecognizer]:
        registry.recognizers.remove(recogniser)
        registry.add_recognizer(_OfflineEmails(supported_language=recogniser.supported_language))
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE])


class _OfflineEmails(EmailRecognizer):
    """Presidio's own asks tldextract, which would download the list of public suffixes; this one takes its snapshot."""

    _suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    def validate_result(self, pattern_text: str) -> bool:
        return self._suffixes(pattern_text).fqdn != ""


def _registry(file: Path | None, where: str, with_model: bool) -> RecognizerRegistry:
    if file is None:
        return RecognizerRegistry(_every_recogniser(with_model), supported_languages=[LANGUAGE])
    try:
        return RecognizerRegistryProvider(conf_file=file).create_recognizer_registry()
    except Exception as error:  # whatever a library says of a malformed file
        raise ConfigurationError(
            f"{where}.recognizers: {file} is no recogniser registry of Presidio ({type(error).__name__})"
        ) from None


def _every_recogniser(with_model: bool) -> list[EntityRecognizer]:
    shipped = Path(presidio_analyzer.__file__).parent / "conf" / "default_recognizers.yaml"
    names = [entry["name"] for entry in yaml.safe_load(shipped.read_text(encoding="utf-8"))["recognizers"]]
    classes = {name: getattr(predefined_recognizers, name, None) for name in names}
    recognisers = [
        found(supported_language=LANGUAGE)
        for found in classes.values()
        if found is not None and any(part in found.__module__ for part in _SELF_CONTAINED)
    ]
    if with_model:
        recognisers.append(predefined_recognizers.SpacyRecognizer(supported_language=LANGUAGE))
    return recognisers


def _spans(engine: AnalyzerEngine, text: str) -> list[IdentifierSpan]:
    found = engine.analyze(text, language=LANGUAGE, score_threshold=LOWEST_SCORE)
    typed = ((found_type(result.entity_type, OTHERWISE), result.start, result.end) for result in found)
    return [IdentifierSpan(type_, start, end) for type_, start, end in typed if type_ is not None]
