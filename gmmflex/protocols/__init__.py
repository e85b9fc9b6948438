"""Protocols of gmmflex."""

from gmmflex.protocols.protocol_heterogeneity import ProtGmmflexHeterogeneity
from gmmflex.protocols.protocol_import_particles import ProtGmmflexImportParticles
from gmmflex.protocols.protocol_neutral import ProtGmmflexNeutral

__all__ = ["ProtGmmflexHeterogeneity", "ProtGmmflexImportParticles", "ProtGmmflexNeutral"]
