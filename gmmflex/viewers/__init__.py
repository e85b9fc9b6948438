"""Viewers of gmmflex."""

from gmmflex.viewers.latent_views import GmmflexParticlesViewer
from gmmflex.viewers.viewer_analysis import GmmflexAnalysisViewer
from gmmflex.viewers.viewer_landscape import GmmflexLandscapeViewer
from gmmflex.viewers.viewer_morph import GmmflexMorphViewer
from gmmflex.viewers.viewer_movie import GmmflexMovieViewer
from gmmflex.viewers.viewer_neutral import GmmflexGaussianModelViewer, GmmflexNeutralViewer
from gmmflex.viewers.viewer_poses import GmmflexPosesViewer
from gmmflex.viewers.viewer_reconstruct import GmmflexReconstructViewer
from gmmflex.viewers.viewer_validate import GmmflexValidateViewer

__all__ = [
    "GmmflexAnalysisViewer",
    "GmmflexGaussianModelViewer",
    "GmmflexLandscapeViewer",
    "GmmflexMorphViewer",
    "GmmflexMovieViewer",
    "GmmflexNeutralViewer",
    "GmmflexParticlesViewer",
    "GmmflexPosesViewer",
    "GmmflexReconstructViewer",
    "GmmflexValidateViewer",
]
