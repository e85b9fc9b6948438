"""Flexibility of macromolecules from cryo-EM particles, with Gaussian mixture models.

Two halves share this package: the Scipion plugin (pyworkflow, pwem) and the engine (torch).
This file imports neither, so that `python -m gmmflex` runs in an environment without Scipion
and Scipion's window opens without loading torch. `gmmflex.Plugin`, and what notebooks and programs
use of the engine (docs/python.md), are looked up only when asked for (PEP 562).
"""

from importlib import import_module
from typing import Any

from gmmflex.version import __version__ as __version__

_logo = "icon.png"
_references = ["Chen2021", "Chen2023"]


def __getattr__(name: str) -> Any:
    if name == "Plugin":
        # by name, so that no static path leads from the engine to Scipion
        return import_module("gmmflex.plugin").Plugin
    api = import_module("gmmflex.engine.api")
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module("gmmflex.engine.api").__all__})
