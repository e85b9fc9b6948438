"""Gauss–Newton steps of many particles at once, each to where its image is most likely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmmflex.engine.model.inference.latent_posterior import (
    LatentPrior,
    objective,
    posterior_step,
)

# What one more step of a particle would gain in −2 log of the posterior: well below the 1 for each
# dimension that noise makes.
_WORTH_A_STEP = 0.1
_SHORTENED = 0.4


@dataclass(frozen=True)
class Reached:
    """Of B particles: unknowns (B, m), the Gram matrices (B, F, 2 + m, 2 + m) there, and radius
    (B,), how far one more step may go."""

    unknowns: Tensor
    grams: Tensor
    radius: Tensor

    def end(self, folds: tuple[int, ...], prior: LatentPrior) -> tuple[Tensor, Tensor]:
        """Unknowns (B, m) after one more step by these folds, too short to look at the image again,
        and covariances (B, m, m)."""
        step, covariances = posterior_step(summed(self.grams, folds), self.unknowns, prior)
        return self.unknowns + limited(step, self.radius), covariances


def climb(
    grams_at: Callable[[Tensor, Tensor], Tensor],
    start: Tensor,
    prior: LatentPrior,
    folds: tuple[int, ...],
    steps: tuple[int, float],
) -> Reached:
    """From `start` (B, m) to where the chosen folds of the images are most likely.

    grams_at: Gram matrices, of each fold, of the particles at places (b,) with unknowns (b, m);
    steps: at most how many, and how long. A step that makes an image less likely is taken back and
    tried again shorter.
    """
    most, longest = steps
    unknowns, radius = start.clone(), torch.full_like(start[:, 0], longest)
    grams = grams_at(torch.arange(len(start), device=start.device), unknowns)
    reached = objective(summed(grams, folds), unknowns, prior)
    for _ in range(most):
        step, covariances = posterior_step(summed(grams, folds), unknowns, prior)
        step = limited(step, radius)
        gain = (step * torch.linalg.solve(covariances, step)).sum(-1)
        going = torch.nonzero(gain > _WORTH_A_STEP).squeeze(1)
        if not len(going):
            break
        tried = unknowns[going] + step[going]
        grams_there = grams_at(going, tried)
        there = objective(summed(grams_there, folds), tried, prior)
        better = there < reached[going]
        gone, back = going[better], going[~better]
        unknowns[gone], grams[gone] = tried[better], grams_there[better]
        reached[gone] = there[better]
        radius[back] = _SHORTENED * step[back].norm(dim=-1)
    return Reached(unknowns, grams, radius)


def summed(grams: Tensor, folds: tuple[int, ...]) -> Tensor:
    """(B, F, m, m) → (B, m, m) over the chosen folds."""
    return grams[:, list(folds)].sum(1)


def limited(steps: Tensor, radius: Tensor) -> Tensor:
    """Steps (B, m), none longer than its radius (B,)."""
    length = steps.norm(dim=-1).clamp_min(1e-30)
    found: Tensor = steps * (radius / length).clamp_max(1.0)[:, None]
    return found
