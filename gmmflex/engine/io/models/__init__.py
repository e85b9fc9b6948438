"""Atomic models and mixtures on disk; selections of residues."""

from gmmflex.engine.io.models.atomic_model import AtomicModel
from gmmflex.engine.io.models.models import read_model, read_states, write_models
from gmmflex.engine.io.models.selection import select_atoms

__all__ = ["AtomicModel", "read_model", "read_states", "select_atoms", "write_models"]
