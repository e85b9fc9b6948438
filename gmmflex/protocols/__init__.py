"""Protocols of gmmflex."""

from gmmflex.protocols.protocol_bonds import ProtGmmflexBonds
from gmmflex.protocols.protocol_coordination import ProtGmmflexCoordination
from gmmflex.protocols.protocol_heterogeneity import ProtGmmflexHeterogeneity
from gmmflex.protocols.protocol_hierarchical import ProtGmmflexHierarchical
from gmmflex.protocols.protocol_import_particles import ProtGmmflexImportParticles
from gmmflex.protocols.protocol_landscape import ProtGmmflexLandscape
from gmmflex.protocols.protocol_morph import ProtGmmflexMorph
from gmmflex.protocols.protocol_movie import ProtGmmflexMovie
from gmmflex.protocols.protocol_neutral import ProtGmmflexNeutral
from gmmflex.protocols.protocol_poses import ProtGmmflexPoses
from gmmflex.protocols.protocol_reconstruct import ProtGmmflexReconstruct
from gmmflex.protocols.protocol_rigid_bodies import ProtGmmflexRigidBodies
from gmmflex.protocols.protocol_validate import ProtGmmflexValidate

__all__ = [
    "ProtGmmflexBonds",
    "ProtGmmflexCoordination",
    "ProtGmmflexHeterogeneity",
    "ProtGmmflexHierarchical",
    "ProtGmmflexImportParticles",
    "ProtGmmflexLandscape",
    "ProtGmmflexMorph",
    "ProtGmmflexMovie",
    "ProtGmmflexNeutral",
    "ProtGmmflexPoses",
    "ProtGmmflexReconstruct",
    "ProtGmmflexRigidBodies",
    "ProtGmmflexValidate",
]
