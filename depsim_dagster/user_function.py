"""A function of the user's own, named as `module:function` or `file.py:function`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from depsim_dagster.errors import ConfigurationError


def user_function(reference: str, where: str, directory: Path = Path()) -> Callable[..., Any]:
    """The function; a file is looked for in `directory`. `where` names the key or option in an error.

    Raises:
        ConfigurationError: the reference is malformed, or the module cannot be loaded or has no such function.
    """
    module_name, _, attribute = reference.rpartition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{where}: `{reference}` must be `module:function` or `file.py:function`")
    try:
        module = (
            _module_of_file(directory / module_name)
            if module_name.endswith(".py")
            else importlib.import_module(module_name)
        )
    except Exception as error:  # what the user's module does when it is loaded
        raise ConfigurationError(
            f"{where}: cannot load {module_name} ({type(error).__name__}: {error})"
        ) from None
    function = getattr(module, attribute, None)
    if not callable(function):
        raise ConfigurationError(f"{where}: {module_name} has no function `{attribute}`")
    return function


def _module_of_file(path: Path) -> ModuleType:
    """The module in a file of the study's folder, read anew each time."""
    name = f"depsim_study_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is loaded
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
