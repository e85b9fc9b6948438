"""A fitted model moved as a run decodes: all its atoms, or the Cα alone, at any latents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.carry import Carrier, carrier_of
from gmmflex.engine.model.geometry.rigid_units import RigidUnits, rigid_units
from gmmflex.engine.motion.reference_state import Reference, decoded_offsets_A, usual_reference
from gmmflex.engine.runs.results import RunResults

# Numbers (of coordinates or offsets) worked on at a time: 64 MiB.
_AT_ONCE = 2**23
# Particles whose motion tells which Gaussians move together.
_EXAMPLES = 24


@dataclass(frozen=True)
class Morph:
    """A run, a model, the state that the model is in, and how the model follows the Gaussians."""

    results: RunResults
    model: AtomicModel
    reference: Reference
    units: RigidUnits
    carrier: Carrier

    def batches(self, latents: NDArray[np.floating[Any]]) -> Iterator[NDArray[np.float64]]:
        """Coordinates (b, n_atoms, 3), in the frame of the model, for (B, d) latents in turn."""
        of_atom = self.units.of_atom
        arms_A = self.model.coordinates_A - self.units.centres_A[of_atom]
        for part in _parts(latents, self._widest(len(self.model))):
            rotations, shifts_A = self.carrier.motions(self._offsets_A(part))
            turned_A = (rotations[:, of_atom] @ arms_A[..., None])[..., 0]
            yield self.units.centres_A[of_atom] + shifts_A[:, of_atom] + turned_A

    def alpha_carbon_batches(
        self, latents: NDArray[np.floating[Any]]
    ) -> Iterator[NDArray[np.float64]]:
        """The same for `model.alpha_carbons()` alone: (b, n_residues, 3)."""
        places_A = self.model.coordinates_A[self.model.alpha_carbons()]
        carrier = _carrier(self.results, self.reference, places_A)
        for part in _parts(latents, self._widest(len(places_A))):
            yield places_A + carrier.shifts(self._offsets_A(part))

    def _offsets_A(self, latents: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return decoded_offsets_A(self.results, latents) - self.reference.offsets_A

    def _widest(self, places: int) -> int:
        # A rotation has nine numbers.
        return max(9 * places, 3 * self.results.model.neutral.n_gaussians)


def morph_of(results: RunResults, model: AtomicModel, reference: Reference | None = None) -> Morph:
    """Prepare a model for morphing; the reference is found from both if it is not given.

    Raises UserError if the run varied no positions or the model lies elsewhere.
    """
    decoded_offsets_A(results, results.latents[:1])
    found = usual_reference(results, model) if reference is None else reference
    units = rigid_units(model)
    return Morph(results, model, found, units, _carrier(results, found, units.centres_A))


def _carrier(results: RunResults, reference: Reference, places_A: NDArray[np.float64]) -> Carrier:
    """How places of the model follow the mixture in the state the model is in."""
    at_rest_A = results.model.neutral.positions_A.cpu().numpy() + results.centre_A
    gaussians_A = at_rest_A + reference.offsets_A
    count = min(len(results.latents), _EXAMPLES)
    rows = np.random.default_rng(0).choice(len(results.latents), count, replace=False)
    examples_A = decoded_offsets_A(results, results.latents[rows]) - reference.offsets_A
    return carrier_of(gaussians_A, places_A, examples_A)


def _parts(latents: NDArray[np.floating[Any]], width: int) -> list[NDArray[np.floating[Any]]]:
    rows = max(1, _AT_ONCE // width)
    return [latents[start : start + rows] for start in range(0, len(latents), rows)]
