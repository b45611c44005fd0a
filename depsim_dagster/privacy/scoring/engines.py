"""The `text -> text` callables that `depsim privacy score` offers by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.user_function import user_function

if TYPE_CHECKING:
    from depsim_dagster.privacy.detectors import Detector
    from depsim_dagster.study import Study

TextToText = Callable[[str], str]
# A score is to be the same again; nothing that it draws leaves the process.
KEY = b"the key of a score, which publishes no text"


def scored_engine(engine: str, detector: str | None, study: Callable[[], Study]) -> TextToText:
    """`embedded`, `study`, `presidio`, `none`, or, when given, the user's own function `detector`.

    Raises:
        ConfigurationError: the function or a package of the engine does not exist.
    """
    if detector is not None:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())  # `module:function` in the folder where the command is given
        return user_function(detector, "--detector")
    if engine == "study":
        from depsim_dagster.privacy.detectors import build_detectors

        return with_detectors(build_detectors(study()))
    if engine == "presidio":
        return plain_presidio()
    if engine == "none":
        return lambda text: text
    return embedded()


def embedded() -> TextToText:
    """depsim's own de-identification of one text."""
    from depsim_dagster.privacy.deidentify import deidentify_text

    return lambda text: deidentify_text(text, KEY)


def with_detectors(detectors: tuple[Detector, ...]) -> TextToText:
    """The embedded de-identification of one text, and what further detectors find in it."""
    from depsim_dagster.privacy.surrogates.mapping import Surrogates

    def deidentify(text: str) -> str:
        surrogates = Surrogates(KEY, "score")
        further = [span for detector in detectors for span in detector([text])[0]]
        for span in further:
            surrogates.learn_value(text[span.start : span.end], span.type)
        surrogates.learn(text)
        return surrogates.replace(text, further)

    return deidentify


def plain_presidio() -> TextToText:
    """Presidio's analyzer with its default recognisers on a blank pipeline; what it reports becomes `<TYPE>`.

    Raises:
        ConfigurationError: presidio-analyzer is not installed.
    """
    try:
        import spacy

        from depsim_dagster.privacy.detectors.presidio import LANGUAGE, analyzer
    except ImportError:
        raise ConfigurationError(
            "engine `presidio` needs presidio-analyzer: pip install 'depsim-dagster[presidio]'"
        ) from None
    engine = analyzer(spacy.blank(LANGUAGE))

    def deidentify(text: str) -> str:
        pieces, position = [], 0
        found = engine.analyze(text, language=LANGUAGE)
        for span in sorted(found, key=lambda result: (result.start, -result.end)):
            if span.end > position:
                pieces += [text[position : max(span.start, position)], f"<{span.entity_type}>"]
                position = span.end
        return "".join([*pieces, text[position:]])

    return deidentify
