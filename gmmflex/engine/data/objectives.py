"""The objectives that a run can be given by name: the built-in one, and those of other packages.

Another package brings one by the entry point group `gmmflex.objectives`; a class of a notebook is
made known to its process by `register_objective`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from torch import Tensor

from gmmflex.engine.data.objective import Objective, WeightedFrc
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.images.scoring import Coefficients

ObjectiveFactory = Callable[[Tensor, Coefficients], Objective]
"""From the mean FRC (n_rings,) of all images with the mixture at rest, and the coefficients that
are compared."""

GROUP = "gmmflex.objectives"
_BUILT_IN: dict[str, ObjectiveFactory] = {"frc": WeightedFrc.of_likelihood}
_registered: dict[str, ObjectiveFactory] = {}


def register_objective(name: str, factory: ObjectiveFactory) -> None:
    """Make an objective known by name in this process; a later run that goes on needs it, too.

    Raises ValueError for the name of the built-in one.
    """
    if name in _BUILT_IN:
        raise ValueError(f"objective {name}: that name is taken: give another")
    _registered[name] = factory


def named_objective(name: str) -> ObjectiveFactory:
    """The objective of this name.

    Raises UserError if there is none, or if the package that brings it cannot be imported.
    """
    known = {**_BUILT_IN, **_registered}
    if name in known:
        return known[name]
    others = {point.name: point for point in entry_points(group=GROUP)}
    if name not in others:
        raise UserError(
            f"objective {name}: there is none of this name here: give one of "
            f"{', '.join(sorted({*known, *others}))}, or install the package that brings it"
        )
    try:
        found: ObjectiveFactory = others[name].load()
    except Exception as fault:
        raise UserError(
            f"objective {name} cannot be loaded from {others[name].value} ({fault}): install the "
            "package that brings it again"
        ) from fault
    return found
