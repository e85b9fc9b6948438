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
# Latents fitted to the images, in their own errors: the median, what 99 of 100 keep to, and all.
# 1e-4, 3e-4 and 5e-4 were seen. A particle whose last step is as good as none may still end a step
# apart on another machine, which is a tenth of an error.
USUAL, NEARLY_ALL, FIT_TOLERANCE = 0.002, 0.005, 0.2
# The decoder, once it has learnt from such latents: 1.2e-4 was seen.
TAUGHT_TOLERANCE = 0.005


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
    found_errors = np.median(errors), np.quantile(errors, 0.99), errors.max()
    print(
        "latents differ by {:.1e} of their errors (99 %: {:.1e}, all: {:.1e})".format(*found_errors)
    )
    assert (np.array(found_errors) < (USUAL, NEARLY_ALL, FIT_TOLERANCE)).all()


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
