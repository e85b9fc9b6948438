"""What a decoder is, whichever way it moves the Gaussians."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from gmmflex.engine.model.mixture.offsets import Offsets


class Decoder(Protocol):
    """Latents in, offsets of the neutral mixture out; any nn.Module with this call will do."""

    def __call__(self, latents: Tensor) -> Offsets:
        """(B, d) latents → offsets for B particles."""
        ...


@runtime_checkable
class LearnsWeights(Protocol):
    """A decoder with weights that are kept in its first round, so that only large motions are
    found, and learnt afterwards (Chen et al. 2023)."""

    def learn_weights(self, learn: bool) -> None:
        """Before each round: whether those weights are learnt in it."""
        ...
