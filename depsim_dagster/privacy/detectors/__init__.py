"""Stronger detectors beside the embedded one, by configuration (`deidentification.detectors`).

A detector takes a batch of texts and gives, per text, the spans of personal details. What any detector finds is
replaced. Libraries are imported only when a study names them; each comes with an extra of the package.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING

from depsim_dagster.config_sections import DeidentificationConfig, DetectorConfig
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

if TYPE_CHECKING:
    from depsim_dagster.study import Study

Detector = Callable[[list[str]], list[list[IdentifierSpan]]]

# Kind of detector → the packages that decide what it finds, the first of which is its extra's.
PACKAGES = {
    "presidio": ("presidio-analyzer", "spacy", "phonenumbers"),
    "spacy": ("spacy",),
    "transformers": ("transformers", "torch"),
    "llm": (),
}


def build_detectors(study: Study) -> tuple[Detector, ...]:
    """The further detectors of a study, loaded, in the order of its file.

    Raises:
        ConfigurationError: a package is not installed (the message names the extra), or a model or registry file
            cannot be loaded.
    """
    return tuple(
        _built(study, settings, f"{study.config.file}: deidentification.detectors.{place}")
        for place, settings in enumerate(study.config.deidentification.detectors)
    )


def detector_packages(settings: DeidentificationConfig) -> dict[str, str]:
    """Package → installed version, for the measurement stack: another version may find other details."""
    names = sorted({name for detector in settings.detectors for name in PACKAGES[detector.kind]})
    return {name: _version(name) for name in names}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _built(study: Study, settings: DetectorConfig, where: str) -> Detector:
    for package in PACKAGES[settings.kind]:
        if _version(package) == "absent":
            raise ConfigurationError(
                f"{where}: kind `{settings.kind}` needs {package}: pip install 'depsim-dagster[{settings.kind}]'"
            )
    if settings.kind == "presidio":
        from depsim_dagster.privacy.detectors.presidio import presidio_detector

        registry = None if settings.recognizers is None else study.config.path(settings.recognizers)
        return presidio_detector(where, registry, settings.model)
    assert settings.model is not None  # DetectorConfig demands it for the others
    if settings.kind == "spacy":
        from depsim_dagster.privacy.detectors.spacy_ner import load_pipeline, spacy_detector

        return spacy_detector(load_pipeline(settings.model, where, study.config.directory))
    if settings.kind == "transformers":
        from depsim_dagster.privacy.detectors.transformers_ner import load_pipeline, transformers_detector

        return transformers_detector(load_pipeline(study.config.path(settings.model), where))
    from depsim_dagster.privacy.detectors.llm import ModelDetector
    from depsim_dagster.replay.budget.spending import DETECTOR

    assert settings.endpoint is not None
    journal = f"{DETECTOR}{settings.endpoint}"
    return ModelDetector(
        lambda: study.endpoint(settings.endpoint or ""),
        study.journal(journal, settings.model),
        settings.model,
        lambda: study.spending(journal, settings.model or ""),
    )
