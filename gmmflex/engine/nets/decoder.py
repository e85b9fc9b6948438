"""What a decoder is, whichever way it moves the Gaussians."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from gmmflex.engine.model.mixture.offsets import Offsets


class Decoder(Protocol):
    """Latents in, offsets of the neutral mixture out; any nn.Module with this call will do."""

    def __call__(self, latents: Tensor) -> Offsets:
        """(B, d) latents → offsets for B particles."""
        ...
