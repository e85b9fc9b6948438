"""Viewers of gmmflex."""

from gmmflex.viewers.viewer_analysis import (
    GmmflexAnalysisViewer,
    GmmflexParticlesViewer,
)
from gmmflex.viewers.viewer_morph import GmmflexMorphViewer
from gmmflex.viewers.viewer_neutral import GmmflexGaussianModelViewer, GmmflexNeutralViewer

__all__ = [
    "GmmflexGaussianModelViewer",
    "GmmflexAnalysisViewer",
    "GmmflexMorphViewer",
    "GmmflexNeutralViewer",
    "GmmflexParticlesViewer",
]
