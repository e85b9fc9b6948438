"""Where a particle lies in the latent space, given its image: the algebra of a linearised step.

An image I with noise of known power is explained by s P(z): its projection P, times its CTF, at
the latent z, and a brightness s of its own. −2 log of the posterior is

    Σ m |I − s P(z)|² / v  +  (s − 1)² / τ²  +  (z − μ)ᵀ Λ (z − μ)

over the coefficients in use, each counted m times, with the mean power v of the noise; z has a
normal prior of mean μ and precision Λ. Near z, P is linear, and all that the minimum needs are the
products of I, P and the derivatives of P with each other, summed over the coefficients: their Gram
matrix. (Gauss–Newton; Nocedal & Wright, Numerical Optimization, 2006, section 10.3.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Particles of one set differ by about this much in brightness (τ).
_BRIGHTNESS_SPREAD = 0.3
_BRIGHTNESS_PRECISION = _BRIGHTNESS_SPREAD**-2
# A prior keeps this share of the widest variance that it may have.
_LEAST_SHARE = 1e-4
# Rows and columns of a Gram matrix: the image, the projection, then one for each derivative.
_IMAGE, _PROJECTION = 0, 1


@dataclass(frozen=True)
class LatentPrior:
    """A normal distribution of latents: mean (d,), precision (d, d)."""

    mean: Tensor
    precision: Tensor

    def penalty(self, latents: Tensor) -> Tensor:
        """(B,) (z − μ)ᵀ Λ (z − μ) of latents (B, d)."""
        offset = latents - self.mean
        return ((offset @ self.precision) * offset).sum(-1)


def gram_matrices(columns: Tensor, weights: Tensor, folds: Tensor) -> Tensor:
    """(B, F, m, m) products of the m columns of each particle, summed over each fold.

    columns: (B, m, K, 2) image, projection and derivatives at the coefficients in use; weights:
    (K,); folds: (K,) 0 … F − 1. Summed, and returned, in double precision: whether a step made an
    image more likely is told by the last digits of sums over all coefficients.
    """
    found = []
    for fold in range(int(folds.max()) + 1):
        chosen = torch.nonzero(folds == fold).squeeze(1)
        scaled = columns.index_select(2, chosen) * weights[chosen].sqrt()[:, None]
        flat = scaled.flatten(2).to(torch.float64)
        found.append(flat @ flat.transpose(1, 2))
    return torch.stack(found, 1)


def objective(gram: Tensor, latents: Tensor, prior: LatentPrior) -> Tensor:
    """(B,) −2 log posterior, up to a constant, at latents (B, d) with the best brightness.

    gram: (B, m, m); only its products of image and projection are used.
    """
    cross, power = gram[:, _IMAGE, _PROJECTION], gram[:, _PROJECTION, _PROJECTION]
    return gram[:, _IMAGE, _IMAGE] - explained(cross, power) + prior.penalty(latents)


def explained(cross: Tensor, power: Tensor) -> Tensor:
    """By how much a projection with the best brightness lowers −2 log of the likelihood.

    cross: image times projection, power: projection squared, both summed with the weights of the
    coefficients; any shape.
    """
    return (cross + _BRIGHTNESS_PRECISION).square() / (power + _BRIGHTNESS_PRECISION)


def posterior_step(gram: Tensor, latents: Tensor, prior: LatentPrior) -> tuple[Tensor, Tensor]:
    """The step (B, d) to the minimum of the linearised problem, and the covariance there.

    gram: (B, 2 + d, 2 + d) at latents (B, d), derivatives taken with respect to these. The
    covariance (B, d, d) is that of the latent with the brightness unknown.
    """
    cross, power = gram[:, _IMAGE, _PROJECTION], gram[:, _PROJECTION, _PROJECTION]
    scale = ((cross + _BRIGHTNESS_PRECISION) / (power + _BRIGHTNESS_PRECISION))[:, None]
    derivatives = slice(_PROJECTION + 1, None)
    normal = gram[:, _PROJECTION:, _PROJECTION:].clone()
    right = gram[:, _IMAGE, _PROJECTION:].clone()
    normal[:, 0, 1:] *= scale
    normal[:, 1:, 0] *= scale
    normal[:, 1:, 1:] = (
        scale[..., None].square() * gram[:, derivatives, derivatives] + prior.precision
    )
    right[:, 1:] = scale * right[:, 1:] - (latents - prior.mean) @ prior.precision
    normal[:, 0, 0] += _BRIGHTNESS_PRECISION
    right[:, 0] += _BRIGHTNESS_PRECISION
    # In double precision: strong and weak directions may differ by many orders.
    inverse = torch.linalg.inv(normal.to(torch.float64))
    step = (inverse @ right.to(torch.float64)[..., None])[:, 1:, 0]
    return step.to(latents), inverse[:, 1:, 1:].to(latents)


def updated_covariance(latents: Tensor, covariances: Tensor) -> Tensor:
    """(d, d) the prior's covariance that makes the images most likely, by one step of
    expectation–maximisation.

    latents: (n, d) posterior means; covariances: (n, d, d) of them. (Dempster, Laird & Rubin 1977:
    the scatter of the means plus the mean uncertainty.)
    """
    offset = (latents - latents.mean(0)).to(torch.float64)
    return offset.T @ offset / len(latents) + covariances.to(torch.float64).mean(0)


def prior_within(mean: Tensor, covariance: Tensor, most: Tensor) -> LatentPrior:
    """A prior of this mean (d,) and covariance (d, d), nowhere wider than the covariance `most`.

    A decoder is unreliable at latents that it has not learnt from, and where the images do not
    decide either, only the prior keeps latents from going there. Directions without any spread keep
    a little.
    """
    root = torch.linalg.cholesky(most.to(torch.float64))
    white = torch.linalg.solve_triangular(root, covariance.to(torch.float64), upper=False)
    white = torch.linalg.solve_triangular(root, white.T.contiguous(), upper=False)
    values, vectors = torch.linalg.eigh(0.5 * (white + white.T))
    vectors = torch.linalg.solve_triangular(root.T.contiguous(), vectors, upper=True)
    precision = vectors @ torch.diag(1.0 / values.clamp(_LEAST_SHARE, 1.0)) @ vectors.T
    return LatentPrior(mean, precision.to(mean))


def shared_covariance(by_fold: Tensor) -> Tensor:
    """(d, d) covariance of what the latents (n, 2, d) of two halves have in common."""
    values = by_fold.to(torch.float64)
    first, second = (values - values.mean((0, 1))).unbind(1)
    return (first.T @ second + second.T @ first) / (2 * max(1, len(values) - 1))


def whole_covariance(by_fold: Tensor) -> Tensor:
    """(d, d) covariance of the latents (n, 2, d) of single halves, noise and all."""
    values = by_fold.to(torch.float64)
    values = (values - values.mean((0, 1))).flatten(0, 1)
    return values.T @ values / max(1, len(values) - 1)


def with_spread_of_states(latents: Tensor, covariances: Tensor) -> Tensor:
    """(n, d) posterior means stretched about their mean, so that together they spread as far as
    the states behind them do.

    latents: (n, d) posterior means; covariances: (n, d, d) of them. Posterior means lie closer
    together than what they estimate: along a direction of which they show the share ρ of the
    variance, by √ρ (Louis 1984, J. Am. Stat. Assoc. 79, 393, stretches by 1/√ρ to make up for it).
    Here it is √(2 − ρ): the same where images tell much, and bounded where they tell nothing.
    """
    values = latents.to(torch.float64)
    offset = values - values.mean(0)
    shown = offset.T @ offset / len(offset)
    width, axes = torch.linalg.eigh(updated_covariance(latents, covariances))
    root = axes * width.clamp_min(1e-30).sqrt()
    white = axes / width.clamp_min(1e-30).sqrt()
    share, turned = torch.linalg.eigh(white.T @ shown @ white)
    stretch = turned * (2.0 - share.clamp(0.0, 1.0)).sqrt() @ turned.T
    stretched: Tensor = values.mean(0) + offset @ white @ stretch @ root.T
    return stretched.to(latents)
