"""What training raises: how well the images agree with the projections of their mixtures.

An image is cut in two folds of Fourier coefficients with independent noise. One fold is encoded and
the other scored, so that reproducing noise wins nothing (docs/decisions/003). Whoever trains,
compares or fits asks an `Objective` and nothing else; another one is a class with `scores`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch
from gmmflex.engine.data.scores import compare
from gmmflex.engine.model.images.scoring import N_FOLDS, Coefficients, likelihood_ring_weights
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets
from gmmflex.engine.nets.model import Model


class Objective(ABC):
    """A score of particles, higher where image and mixture agree better."""

    @abstractmethod
    def scores(self, mixtures: GaussianMixture, batch: Batch) -> Tensor:
        """(B, 2) the score of each fold of B particles, differentiable in the mixtures.

        mixtures: one for all particles, or one for each.
        """

    @property
    @abstractmethod
    def ring_weights(self) -> Tensor:
        """(n_rings,) how much each ring of Fourier space counts, which results report."""

    @abstractmethod
    def up_to(self, resolution_A: float) -> Objective:
        """The same with nothing finer than `resolution_A`, for coarse rounds of training."""

    def losses(self, mixtures: GaussianMixture, batch: Batch, scored: Tensor) -> Tensor:
        """(B,) minus the score of the fold `scored` (B,) of each particle."""
        scores = self.scores(mixtures, batch)
        return -scores[torch.arange(len(scores), device=scores.device), scored]

    def gradients(
        self, neutral: GaussianMixture, offsets: Offsets, batch: Batch
    ) -> tuple[tuple[Tensor, ...], ...]:
        """Of each fold, the derivatives of the scores by each kind of offset (B, N, …), in the
        order positions, amplitudes, widths; what the encoder reads comes from them.

        offsets: of B mixtures, with requires_grad.
        """
        kinds = (offsets.positions_A, offsets.amplitudes, offsets.widths)
        leaves = [kind for kind in kinds if kind is not None]
        mixtures = apply_offsets(neutral, offsets)
        if batch.pose_changes is None:
            scores = self.scores(mixtures, batch)
            each = [scores[:, fold] for fold in range(N_FOLDS)]
        else:
            # In the pose that a half asks for itself, so that it does not ask for a pose once more.
            each = [self.scores(mixtures, batch.posed_by(f))[:, f] for f in range(N_FOLDS)]
        return tuple(
            torch.autograd.grad(scores.sum(), leaves, retain_graph=fold < N_FOLDS - 1)
            for fold, scores in enumerate(each)
        )

    def scores_across(self, model: Model, by_fold: Tensor, batch: Batch) -> Tensor:
        """(B, 2) the score of each fold with the mixture that the latent of the other decodes to,
        in the pose that the other asks for.

        by_fold: (B, 2, d) latents. Entry f has fold f encoded and fold 1 − f scored.
        """
        found = []
        for fold in range(N_FOLDS):
            mixtures = apply_offsets(model.neutral, model.decoder(by_fold[:, fold]))
            found.append(self.scores(mixtures, batch.posed_by(fold))[:, 1 - fold])
        return torch.stack(found, 1)

    def scores_of(self, mixture: GaussianMixture, batch: Batch) -> Tensor:
        """(B, 2) as `scores_across`, with one mixture for all."""
        if batch.pose_changes is None:
            return self.scores(mixture, batch)
        each = [self.scores(mixture, batch.posed_by(f))[:, 1 - f] for f in range(N_FOLDS)]
        return torch.stack(each, 1)


@dataclass(frozen=True)
class WeightedFrc(Objective):
    """The Fourier ring correlation of image and projection, weighted ring by ring.

    weights: (n_rings,). The mean of FRCs is the loss of Chen & Ludtke 2021, where all rings weigh
    the same; docs/decisions/002 tells why here they do not.
    """

    coefficients: Coefficients
    weights: Tensor

    @classmethod
    def of_likelihood(cls, mean_frc: Tensor, coefficients: Coefficients) -> WeightedFrc:
        """Weights from the mean FRC (n_rings,) of all images with the mixture at rest; see
        `likelihood_ring_weights`."""
        return cls(coefficients, likelihood_ring_weights(mean_frc, coefficients.counts))

    def scores(self, mixtures: GaussianMixture, batch: Batch) -> Tensor:
        return compare(mixtures, batch, self.coefficients).by_fold() @ self.weights

    @property
    def ring_weights(self) -> Tensor:
        return self.weights

    def up_to(self, resolution_A: float) -> WeightedFrc:
        first, weights = self.coefficients.first_ring, self.weights
        last = max(self.coefficients.grid.ring_of_resolution(resolution_A), first + 1)
        rings = torch.arange(first, first + len(weights), device=weights.device)
        chosen = (rings <= last).to(weights)
        kept = weights * chosen
        # Coarse rings without any signal all weigh the same, as they would on their own.
        kept = kept if float(kept.sum()) > 0.0 else chosen
        return replace(self, weights=kept / kept.sum())
