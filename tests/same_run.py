"""Whether two runs of `gmmflex heterogeneity` are the same but for the order of sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gmmflex.engine.nets.model import Model
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.training.checkpoint import load_checkpoint

# What the networks put out, in standard deviations: 1e-6 was seen, 1.4e-5 after 12 epochs.
NETWORK_TOLERANCE = 1e-4
# Latents fitted to the images, in their own errors: the fit stops where less than 0.1 of −2 log of
# the posterior is left to gain, which is √0.1 of an error, and last digits may end it a step apart.
FIT_TOLERANCE, USUAL = 2 * 0.1**0.5, 0.02
# The decoder, once it has learnt from such latents: 1 % was seen.
TAUGHT_TOLERANCE = 0.05


def assert_same_run(found: Path, expected: Path) -> None:
    """Networks as trained alike to the last digits; latents, and the decoder that has learnt from
    them, within what their fit leaves open."""
    as_trained = _trained(found), _trained(expected)
    refitted = read_run(found).model, read_run(expected).model
    for of, pair, tolerance in (
        (_encoded, as_trained, NETWORK_TOLERANCE),
        (_decoded, as_trained, NETWORK_TOLERANCE),
        (_decoded, refitted, TAUGHT_TOLERANCE),
    ):
        one, other = (of(model) for model in pair)
        difference = np.abs(one - other).max() / other.std()
        print(f"networks differ by {difference:.1e} standard deviations")
        assert difference < tolerance
    between = np.load(found / "latents.npy") - np.load(expected / "latents.npy")
    precision = np.linalg.inv(np.load(expected / "latent_covariances.npy"))
    errors = np.sqrt(np.einsum("ni,nij,nj->n", between, precision, between))
    print(f"latents differ by {errors.max():.2f} of their errors at most")
    assert errors.max() < FIT_TOLERANCE and np.median(errors) < USUAL


def _trained(folder: Path) -> Model:
    """The model at the end of training, before its decoder learnt from fitted latents."""
    model, checkpoint = read_run(folder).model, load_checkpoint(folder / "checkpoint")
    assert checkpoint is not None
    model.load(checkpoint.progress.best)
    return model


@torch.no_grad()
def _encoded(model: Model) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(500, model.encoder.linear.in_features, generator=generator)
    return model.encoder(inputs).numpy()


@torch.no_grad()
def _decoded(model: Model) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(500, model.latent_dim, generator=generator)
    return model.decoder(latents).positions_A.numpy()
