"""How the image of a known mixture changes with the pose: what poses alone are fitted with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch
from gmmflex.engine.fitting.image_model import ImageModel
from gmmflex.engine.model.images.scoring import Coefficients
from gmmflex.engine.model.inference.latent_posterior import LatentPrior, gram_matrices
from gmmflex.engine.model.inference.pose_change import N_POSE, changed_poses, pose_columns
from gmmflex.engine.model.inference.pose_errors import PoseErrors
from gmmflex.engine.model.mixture.mixture import GaussianMixture


@dataclass(frozen=True)
class PoseView:
    """images: what projections become; errors: how far given poses are off, which is the prior.
    Changes of poses are counted in its standard deviations."""

    coefficients: Coefficients
    images: ImageModel
    errors: PoseErrors

    @property
    def prior(self) -> LatentPrior:
        """Of changes (5)."""
        like = self.images.scale
        return LatentPrior(torch.zeros(N_POSE).to(like), torch.eye(N_POSE).to(like))

    @property
    def units(self) -> Tensor:
        """(5,) radians and Å of one standard deviation."""
        return self.errors.deviations().to(self.images.scale)

    def grams(self, batch: Batch, mixtures: GaussianMixture, changes: Tensor) -> Tensor:
        """(B, F, 7, 7) Gram matrices with mixtures in poses changed by `changes` (B, 5)."""
        units = self.units
        rotations, origins_A = changed_poses(batch.rotations, batch.origins_A, changes * units)
        values = pose_columns(mixtures, rotations, origins_A, self.coefficients)
        by_unit = torch.cat([torch.ones(1).to(units), units])
        factors = (batch.ctf * self.images.scale)[:, None, :, None] * by_unit[:, None, None]
        columns = torch.cat([batch.images[:, None], values * factors], dim=1)
        return gram_matrices(columns, self.images.weights, self.coefficients.folds)
