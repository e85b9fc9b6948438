"""How far along its motion each decoder is in each particle, measured in the images themselves.

The encoder cannot tell whether two motions belong together: both decoders read one latent. So
every image is explained anew, by least squares, as a sum of the mean projection and of what the
decoders' main motions change in it, both motions at once and in the particle's own view. What
one motion looks like in the other's is then not mistaken for it, and errors are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.data.particles import Batch, HostBatch, ParticleData
from gmmflex.engine.machine.batch_limit import BatchLimit
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.images.scoring import N_FOLDS
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.inference.dependence import Measured
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.motion.motion_modes import DecoderStates

_Floats = NDArray[np.float64]
# Directions of change of each decoder: a bent motion needs two.
_MODES = 2
# A second direction that changes less than this share of the first is left to the noise.
_LEAST_SHARE = 0.05
# Particles that tell scale and noise of the rings.
_SAMPLE = 1000
_RIDGE = 1e-5


@dataclass(frozen=True)
class Amplitudes:
    """What was measured of one decoder's motion.

    measured: (m, 2, q) signed amplitudes from the mean, in Å of root mean square displacement of
    its Gaussians along its first principal motion; a second one says how the motion bends, in the
    same units.
    """

    name: str
    measured: Measured


def measure_amplitudes(
    base: GaussianMixture,
    decoders: list[DecoderStates],
    data: ParticleData,
    rows: Tensor,
    batch_limit: BatchLimit,
    log: Log,
) -> list[Amplitudes]:
    """Amplitudes of each decoder's motion in the particles at `rows` (m,), by half of the image.

    base: mixture with all decoders at their mean.
    """
    # BatchLimit is reckoned for one projection with its gradient; here are many without.
    small = BatchLimit(max(1, batch_limit.particles // 4), log)
    evenly = torch.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).long()
    scale, precision = _scale_and_precision(base, decoders, data, rows[evenly], small)
    grams, products = [], []
    for _, host in data.loaded(rows.split(256)):
        gram, product = small.retried(
            partial(_normal_equations, base, decoders, data, host, scale, precision)
        )
        grams.append(gram.cpu())
        products.append(product.cpu())
    joined = [torch.cat(part).double().numpy() for part in (grams, products)]
    return _solved(decoders, joined[0], joined[1])


@torch.no_grad()
def _scale_and_precision(
    base: GaussianMixture,
    decoders: list[DecoderStates],
    data: ParticleData,
    rows: Tensor,
    batch_limit: BatchLimit,
) -> tuple[Tensor, Tensor]:
    """(K,) factor from projection to image and (K,) multiplicity / noise power, by ring.

    Compared is the mean density of all states: the density of mean positions is sharper, and at
    high resolution the factor would come out too small.
    """
    coefficients = data.coefficients
    share = torch.cat([torch.ones(1), *(torch.as_tensor(d.shares).float() for d in decoders)])
    share = share.to(coefficients.bins.device)
    ring = coefficients.bins % coefficients.n_rings
    sums = torch.zeros(3, coefficients.n_rings, dtype=torch.float64, device=ring.device)

    def add(host: HostBatch, at_once: int) -> Tensor:
        found = torch.zeros_like(sums)
        for _, piece in host.pieces(at_once):
            batch = piece.to(ring.device)
            values = torch.einsum("bckx,c->bkx", _columns(base, decoders, data, batch), share)
            values = values * batch.ctf[..., None]
            for number, (x, y) in enumerate(
                ((values, batch.images), (values, values), (batch.images, batch.images))
            ):
                weighted = (x * y).sum((0, 2)) * coefficients.multiplicity
                found[number].index_add_(0, ring, weighted.double())
        return found

    for _, host in data.loaded(rows.split(256)):
        sums += batch_limit.retried(partial(add, host))
    cross, power, image = sums
    scale = cross / power.clamp_min(1e-30)
    noise = (image - cross * scale).clamp_min(1e-6 * image) / (coefficients.counts * len(rows))
    return scale[ring].float(), (coefficients.multiplicity / noise[ring]).float()


@torch.no_grad()
def _normal_equations(
    base: GaussianMixture,
    decoders: list[DecoderStates],
    data: ParticleData,
    host: HostBatch,
    scale: Tensor,
    precision: Tensor,
    at_once: int,
) -> tuple[Tensor, Tensor]:
    """(B, 2, C, C) and (B, 2, C): products, weighed by precision, of the columns (the mean
    projection and what each state changes in it) with each other and with the images."""
    folds = data.coefficients.folds
    halves = [torch.nonzero(folds == fold).squeeze(1) for fold in range(N_FOLDS)]
    grams, products = [], []
    for _, piece in host.pieces(at_once):
        batch = piece.to(scale.device)
        columns = _columns(base, decoders, data, batch) * (batch.ctf * scale)[:, None, :, None]
        gram, product = [], []
        for half in halves:
            own = columns[:, :, half]
            weighed = (own * precision[half, None]).flatten(2)
            gram.append(weighed @ own.flatten(2).transpose(1, 2))
            product.append((weighed @ batch.images[:, half].flatten(1)[..., None]).squeeze(-1))
        grams.append(torch.stack(gram, 1))
        products.append(torch.stack(product, 1))
    return torch.cat(grams), torch.cat(products)


def _columns(
    base: GaussianMixture, decoders: list[DecoderStates], data: ParticleData, batch: Batch
) -> Tensor:
    """(B, C, K, 2) projections: the mean, then each state of each decoder less the mean."""

    def projected(mixture: GaussianMixture) -> Tensor:
        return project_in_use(mixture, batch.rotations, batch.origins_A, data.coefficients)

    columns = [projected(base)]
    for states in decoders:
        mean = projected(states.mean)
        for number in range(len(states.shares)):
            one = GaussianMixture(
                states.mixtures.positions_A[number],
                states.mixtures.amplitudes[number],
                states.mixtures.sigmas_A[number],
            )
            columns.append(projected(one) - mean)
    return torch.stack(columns, 1)


def _solved(decoders: list[DecoderStates], gram: _Floats, product: _Floats) -> list[Amplitudes]:
    """Least squares for each particle and half in the main modes of all decoders at once."""
    modes, units = [], []
    start = 1
    mean = np.zeros(gram.shape[-1])
    mean[0] = 1.0
    for states in decoders:
        own = slice(start, start + len(states.shares))
        mean[own] = states.shares
        vectors, unit_A = _modes(gram.mean(axis=(0, 1))[own, own], states)
        modes.append(np.zeros((len(vectors), len(mean))))
        modes[-1][:, own] = vectors
        units.append(unit_A)
        start = own.stop
    basis = np.concatenate([mean[None], *modes])
    normal = basis @ gram @ basis.T
    right = product @ basis.T
    size = np.einsum("nfii->nfi", normal)
    normal = normal + _RIDGE * size[..., None] * np.eye(len(basis))
    inverse = np.linalg.inv(normal)
    values = (inverse @ right[..., None])[..., 0]
    variances = np.einsum("nfii->nfi", inverse)
    found = []
    start = 1
    for states, own_modes, unit_A in zip(decoders, modes, units, strict=True):
        part = slice(start, start + len(own_modes))
        measured = Measured(unit_A * values[..., part], unit_A**2 * variances[..., part])
        found.append(Amplitudes(states.name, measured))
        start = part.stop
    return found


def _modes(gram: _Floats, states: DecoderStates) -> tuple[_Floats, float]:
    """(q, S) weights of the states in the main changes of the images, and Å for a unit of them.

    Principal components of the states' projections in the average view; a unit is one standard
    deviation of the decoded motion.
    """
    shares = states.shares
    centring = np.eye(len(shares)) - shares[None]
    centred = centring @ gram @ centring.T
    roots = np.sqrt(shares)
    power, vectors = np.linalg.eigh(roots[:, None] * centred * roots)
    kept = [i for i in (-1, -2)[:_MODES] if power[i] > _LEAST_SHARE * power[-1]]
    coordinates = (vectors[:, kept] / np.maximum(roots, 1e-12)[:, None]).T
    if coordinates[0] @ (shares * states.displacements_A) < 0:
        coordinates = -coordinates
    unit_A = float(np.sqrt(shares @ np.square(states.displacements_A)))
    return (shares * coordinates) @ centring, unit_A
