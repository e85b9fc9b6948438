"""What all particles have in common and the neutral mixture got wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmmflex.engine.model.mixture.offsets import Offsets

# Change of a Gaussian's logarithmic width by one unit of its weight, so that one learning rate
# suits widths and amplitudes.
_WIDTH_SCALE = 0.3


class RestCorrection(nn.Module):
    """Amplitudes and widths of the Gaussians at rest, learnt with the motion.

    The neutral mixture was fitted to a map in which what moves is smeared; once motion is
    accounted for its parts are sharper. The same for all latents.

    varies: (N,) 1 where a Gaussian may be corrected, 0 where it is held.
    """

    varies: Tensor

    def __init__(self, varies: Tensor) -> None:
        super().__init__()
        self.register_buffer("varies", (varies > 0).to(torch.float32), persistent=False)
        self.amplitudes = nn.Parameter(torch.zeros(len(varies)))
        self.widths = nn.Parameter(torch.zeros(len(varies)))

    def forward(self, latents: Tensor) -> Offsets:
        batch = len(latents)
        return Offsets(
            None,
            (self.amplitudes * self.varies).expand(batch, -1),
            (_WIDTH_SCALE * self.widths * self.varies).expand(batch, -1),
        )
