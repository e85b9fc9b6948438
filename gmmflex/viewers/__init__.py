"""Viewers of gmmflex."""

from gmmflex.viewers.viewer_heterogeneity import (
    GmmflexHeterogeneityViewer,
    GmmflexParticlesViewer,
)
from gmmflex.viewers.viewer_neutral import GmmflexGaussianModelViewer, GmmflexNeutralViewer

__all__ = [
    "GmmflexGaussianModelViewer",
    "GmmflexHeterogeneityViewer",
    "GmmflexNeutralViewer",
    "GmmflexParticlesViewer",
]
