"""How far the lengths of a model's bonds get away from what they were, over many states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.model.geometry.backbone import Backbone, backbone_of, bond_deviation_A
from gmmflex.engine.model.geometry.covalent import bond_lengths_A, covalent_bonds

# Cα–Cα distances of trans and cis peptides; below the third value a bond of the model is cis.
# From the fourth on it is one between phosphorus atoms, which has no one length.
_TRANS_A, _CIS_A, _CIS_BELOW_A, _PHOSPHORUS_FROM_A = 3.80, 2.95, 3.4, 4.5


class BondChanges:
    """How far the lengths of bonds get away from those of the model."""

    def __init__(self, model: AtomicModel) -> None:
        self._alpha_carbons = model.alpha_carbons()
        self._backbone = backbone_of(model)
        self._pairs = covalent_bonds(model)
        self._lengths_A = bond_lengths_A(model.coordinates_A, self._pairs)
        self._ideal = _ideal(self._backbone)
        trace_A = model.coordinates_A[self._alpha_carbons]
        self._before_A = float(bond_deviation_A(trace_A, self._ideal))
        self._covalent: list[float] = []
        self._trace: list[float] = []
        self._from_ideal: list[float] = []
        self._largest_A = 0.0

    def add(self, coordinates_A: NDArray[np.float64]) -> None:
        trace_A = coordinates_A[:, self._alpha_carbons]
        self._trace += bond_deviation_A(trace_A, self._backbone).tolist()
        self._from_ideal += bond_deviation_A(trace_A, self._ideal).tolist()
        for state_A in coordinates_A:
            change_A = bond_lengths_A(state_A, self._pairs) - self._lengths_A
            self._covalent.append(float(np.sqrt((change_A**2).sum() / max(1, len(change_A)))))
            self._largest_A = max(self._largest_A, float(np.abs(change_A).max(initial=0.0)))

    def summary(self) -> dict[str, dict[str, float]]:
        """RMS over bonds, and over states (or in the worst of them)."""
        return {
            "covalent": {
                "bonds": len(self._pairs),
                "change_rms_A": _rms(self._covalent),
                "change_rms_worst_state_A": max(self._covalent, default=0.0),
                "largest_change_A": self._largest_A,
            },
            "alpha_carbons": {
                "bonds": len(self._backbone.pairs),
                "change_rms_A": _rms(self._trace),
                "change_rms_worst_state_A": max(self._trace, default=0.0),
                "from_ideal_before_rms_A": self._before_A,
                "from_ideal_after_rms_A": _rms(self._from_ideal),
            },
        }


def _ideal(backbone: Backbone) -> Backbone:
    """The bonds between Cα alone (those of P have no one length), with ideal lengths."""
    protein = backbone.lengths_A < _PHOSPHORUS_FROM_A
    lengths_A = backbone.lengths_A[protein]
    ideal_A = np.where(lengths_A < _CIS_BELOW_A, _CIS_A, _TRANS_A)
    return Backbone(backbone.pairs[protein], ideal_A, backbone.triples, backbone.angles_rad)


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0
