"""A few states that stand for all that one decoder does, and its main motions among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor

from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.model import Model

_Floats = NDArray[np.float64]
# Particles whose decoded motions are looked at.
_SAMPLE = 2000
_STATES = 6
_COMPONENTS = 3


@dataclass(frozen=True)
class DecoderStates:
    """S states of what one decoder moves, all other decoders at their mean.

    moving: (M,) indices of the Gaussians that it moves; mixtures: (S, M) of them; mean: (M,) the
    same Gaussians at the decoder's mean; shares: (S,) of the particles; displacements_A: (S,)
    signed along the decoder's first principal motion, root mean square over its Gaussians.
    """

    name: str
    moving: Tensor
    mixtures: GaussianMixture
    mean: GaussianMixture
    shares: _Floats
    displacements_A: _Floats


@torch.no_grad()
def states_of_decoders(
    model: Model, latents: Tensor, seed: int
) -> tuple[GaussianMixture, list[DecoderStates]]:
    """The mixture with every decoder at its mean, and the states of each decoder.

    latents: (n, d). States are k-means centres of the decoded offsets in their first principal
    components, so that bent and circular motions are covered. Decoders that move nothing are left
    out.
    """
    assert isinstance(model.decoder, CombinedDecoder)
    rows = torch.linspace(0, len(latents) - 1, min(len(latents), _SAMPLE)).long()
    sample = latents[rows].to(model.device, torch.float32)
    # All that is decoded, also what is the same for all particles.
    mean = _mean(model.decoder(sample))
    everything = apply_offsets(model.neutral, mean)
    found = []
    for name, offsets in model.decoder.each(sample).items():
        others = _sum(mean, _mean(offsets), -1.0)
        states = _states(name, model.neutral, offsets, others, everything, seed)
        if states is not None:
            found.append(states)
    return _squeezed(everything), found


def _states(
    name: str,
    neutral: GaussianMixture,
    offsets: Offsets,
    others: Offsets,
    everything: GaussianMixture,
    seed: int,
) -> DecoderStates | None:
    table, n_parts = _table(offsets)
    spread = table.std(0).reshape(n_parts, -1).amax(0)
    moving = torch.nonzero(spread > 1e-4 * spread.max().clamp_min(1e-3)).squeeze(1)
    if len(moving) == 0:
        return None
    chosen = table.reshape(len(table), n_parts, -1)[..., moving].flatten(1).cpu().numpy()
    components = min(_COMPONENTS, *chosen.shape)
    scores = PCA(components, random_state=seed).fit_transform(chosen)
    distinct = np.unique((scores / np.abs(scores).max()).round(3), axis=0)
    n_states = min(_STATES, len(distinct))
    if n_states < 2:
        return None
    labels = KMeans(n_states, n_init=3, random_state=seed).fit_predict(scores)
    centres = [_mean(_rows(offsets, torch.as_tensor(labels == s))) for s in range(n_states)]
    states = [apply_offsets(neutral, _sum(others, centre, 1.0)) for centre in centres]
    along = np.array([scores[labels == s, 0].mean() for s in range(n_states)])
    return DecoderStates(
        name,
        moving,
        _stack([_squeezed(state).select(moving) for state in states]),
        _squeezed(everything).select(moving),
        np.bincount(labels, minlength=n_states) / len(labels),
        along / np.sqrt(len(moving)),
    )


def _table(offsets: Offsets) -> tuple[Tensor, int]:
    """(n, parts · N) all offsets side by side, and how many parts each Gaussian has."""
    parts = []
    if offsets.positions_A is not None:
        parts += list(offsets.positions_A.unbind(-1))
    parts += [x for x in (offsets.amplitudes, offsets.widths) if x is not None]
    return torch.cat(parts, 1), len(parts)


def _mean(offsets: Offsets) -> Offsets:
    """(1, N, …) mean over particles."""
    return Offsets(*(None if x is None else x.mean(0, keepdim=True) for x in _fields(offsets)))


def _rows(offsets: Offsets, chosen: Tensor) -> Offsets:
    return Offsets(*(None if x is None else x[chosen.to(x.device)] for x in _fields(offsets)))


def _sum(first: Offsets, second: Offsets, factor: float) -> Offsets:
    """first + factor · second."""

    def added(one: Tensor | None, other: Tensor | None) -> Tensor | None:
        if one is None or other is None:
            return one if other is None else factor * other
        return one + factor * other

    return Offsets(*(map(added, _fields(first), _fields(second))))


def _fields(offsets: Offsets) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    return offsets.positions_A, offsets.amplitudes, offsets.widths


def _squeezed(mixture: GaussianMixture) -> GaussianMixture:
    """One mixture, whether or not a parameter has a first axis of one particle."""
    positions = mixture.positions_A.reshape(-1, 3)
    return GaussianMixture(positions, mixture.amplitudes.flatten(), mixture.sigmas_A.flatten())


def _stack(mixtures: list[GaussianMixture]) -> GaussianMixture:
    return GaussianMixture(
        torch.stack([m.positions_A for m in mixtures]),
        torch.stack([m.amplitudes for m in mixtures]),
        torch.stack([m.sigmas_A for m in mixtures]),
    )
