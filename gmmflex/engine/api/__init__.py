"""gmmflex for notebooks and programs: what `import gmmflex` offers.

Arrays are numpy's, with units in their names; coordinates lie in the frame of the files (maps and
models), as ChimeraX shows them. Every fault that a person can put right is a `UserError`. Nothing
is imported before it is used (PEP 562), so that `import gmmflex` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HERE = "gmmflex.engine.api"
_PLACES = {
    "load_particles": f"{_HERE}.files",
    "load_map": f"{_HERE}.files",
    "load_model": f"{_HERE}.files",
    "load_mixture": f"{_HERE}.mixture",
    "build_neutral": f"{_HERE}.mixture",
    "Mixture": f"{_HERE}.mixture",
    "Mixtures": f"{_HERE}.mixture",
    "train": f"{_HERE}.training",
    "TrainedAnalysis": f"{_HERE}.training",
    "read_run": f"{_HERE}.analysis",
    "Analysis": f"{_HERE}.analysis",
    "Scores": f"{_HERE}.analysis",
    "simulate": f"{_HERE}.simulation",
    "example_states": f"{_HERE}.simulation",
    "Simulated": f"{_HERE}.simulation",
    # What others may bring of their own, and what they derive it from.
    "register_decoder": "gmmflex.engine.settings.decoder_registry",
    "register_objective": "gmmflex.engine.data.objectives",
    "DecoderKind": "gmmflex.engine.nets.decoders.base",
    "Objective": "gmmflex.engine.data.objective",
    "WeightedFrc": "gmmflex.engine.data.objective",
    "Map": "gmmflex.engine.io.maps",
    "AtomicModel": "gmmflex.engine.io.models",
    "Particles": "gmmflex.engine.io.particles",
    "UserError": "gmmflex.engine.io.errors",
}

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_PLACES)
