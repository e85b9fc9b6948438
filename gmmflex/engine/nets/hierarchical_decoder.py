"""The hierarchical decoder: a few anchors carry the many Gaussians of the mixture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmmflex.engine.model.geometry.rigid_motion import (
    RigidMotions,
    rigid_offsets,
    rotations_from_six,
)
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.parameters import MOTION_SCALE_A, n_columns, offsets_from
from gmmflex.engine.nets.perceptron import HIDDEN, perceptron
from gmmflex.engine.settings.limits import Parameter

_ROTATION = 6
# Anchors nearer together than this turn no more than 1 rad for each unit of output.
_LEAST_REACH_A = 5.0


def hierarchical_columns(parameters: tuple[Parameter, ...]) -> int:
    """How many numbers an anchor has."""
    return (_ROTATION if "positions" in parameters else 0) + n_columns(parameters)


class HierarchicalDecoder(nn.Module):
    """A network that turns and shifts each anchor, and changes amplitudes and widths around it.

    Each Gaussian moves as a mixture of its anchors would carry it along. Chen, Toader & Lederman
    2023, "Hierarchical GMM", with two differences: anchors turn as well as shift, because what
    moves in molecules are domains (docs/decisions/011 has the figures), and weights follow the
    distance in spacings of the anchors. The transition weights are fixed at first, so that only
    large, smooth motions can be found, and learnt later (`learn_weights`), so that each Gaussian
    finds out with which anchors it goes. With several levels all of them add up.

    positions_A: (N, 3) of the neutral mixture. anchors_A: for each level, coarse to fine, (A, 3);
    reach_A: how far apart they stand; transitions: (N, A) weights with which the Gaussians follow
    them; zero rows hold a Gaussian. Zeros stay zeros when weights are learnt.
    forward: (B, latent_dim) → Offsets of (B, N, …).
    """

    positions_A: Tensor
    anchors_A: Tensor
    scale_rad: Tensor
    support: Tensor

    def __init__(
        self,
        latent_dim: int,
        positions_A: Tensor,
        anchors_A: list[Tensor],
        reach_A: list[float],
        transitions: list[Tensor],
        parameters: tuple[Parameter, ...],
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__()
        self.parameters_varied = parameters
        joined = torch.cat(transitions, dim=1)
        self.n_anchors = joined.shape[1]
        self._n_rotation = _ROTATION if "positions" in parameters else 0
        columns = hierarchical_columns(parameters)
        self.layers = perceptron(latent_dim, hidden, columns * self.n_anchors)
        self.transition = nn.Parameter(joined.clone(), requires_grad=False)
        radii_A = torch.cat(
            [
                torch.full((len(level),), max(reach, _LEAST_REACH_A))
                for level, reach in zip(anchors_A, reach_A, strict=True)
            ]
        )
        # All of these follow from the neutral mixture and the anchors: they are no weights.
        for name, value in (
            ("positions_A", positions_A),
            ("scale_rad", (MOTION_SCALE_A / radii_A).to(positions_A)),
            ("support", (joined > 0).to(joined)),
        ):
            self.register_buffer(name, value.detach().clone(), persistent=False)
        # k-means may come out otherwise with another library: where they stood is kept.
        self.register_buffer("anchors_A", torch.cat(anchors_A).detach().clone())

    def learn_weights(self, learn: bool) -> None:
        """Let the transition weights be learnt, or keep them as they are."""
        self.transition.requires_grad_(learn)

    def forward(self, latents: Tensor) -> Offsets:
        output = self.layers(latents).reshape(len(latents), self.n_anchors, -1)
        weights = self.transition * self.support
        rotation, rest = output[..., : self._n_rotation], output[..., self._n_rotation :]
        if not self._n_rotation:
            return offsets_from(weights @ rest, self.parameters_varied)
        motions = RigidMotions(
            rotations_from_six(rotation * self.scale_rad[:, None]),
            rest[..., :3] * MOTION_SCALE_A,
            self.anchors_A,
        )
        positions_A = rigid_offsets(motions, self.positions_A, weights.T)
        others = self.parameters_varied[1:]
        if not others:
            return Offsets(positions_A)
        changed = offsets_from(weights @ rest[..., 3:], others)
        return Offsets(positions_A, changed.amplitudes, changed.widths)
