"""Whether two runs of `gmmflex heterogeneity` are the same but for the order of sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gmmflex.engine.stages.run_results import read_run

# What the networks put out, in standard deviations: 1e-6 was seen, 1.4e-5 after 12 epochs.
NETWORK_TOLERANCE = 1e-4
# Latents fitted to the images, in their own errors: the fit stops where less than 0.1 of −2 log of
# the posterior is left to gain, which is √0.1 of an error, and last digits may end it a step apart.
FIT_TOLERANCE, USUAL = 2 * 0.1**0.5, 0.02


def assert_same_run(found: Path, expected: Path) -> None:
    """Networks alike to the last digits, latents within what the fit leaves open."""
    for one, other in zip(_networks(found), _networks(expected), strict=True):
        difference = np.abs(one - other).max() / other.std()
        print(f"networks differ by {difference:.1e} standard deviations")
        assert difference < NETWORK_TOLERANCE
    between = np.load(found / "latents.npy") - np.load(expected / "latents.npy")
    precision = np.linalg.inv(np.load(expected / "latent_covariances.npy"))
    errors = np.sqrt(np.einsum("ni,nij,nj->n", between, precision, between))
    print(f"latents differ by {errors.max():.2f} of their errors at most")
    assert errors.max() < FIT_TOLERANCE and np.median(errors) < USUAL


def _networks(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the encoder makes of some inputs, and the decoder of some latents."""
    model = read_run(folder).model
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        inputs = torch.randn(500, model.encoder.linear.in_features, generator=generator)
        latents = torch.randn(500, model.latent_dim, generator=generator)
        return model.encoder(inputs).numpy(), model.decoder(latents).positions_A.numpy()
