"""The rigid decoder: bodies turn and shift as wholes."""

from __future__ import annotations

from torch import Tensor, nn

from gmmflex.engine.model.geometry.rigid_motion import (
    RigidMotions,
    body_centres_A,
    body_radii_A,
    rigid_offsets,
    rotations_from_six,
)
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.parameters import MOTION_SCALE_A
from gmmflex.engine.nets.perceptron import HIDDEN, perceptron

# Smaller bodies turn no more than 1 rad for each unit.
_LEAST_RADIUS_A = 5.0
# of a body: six of rotation and three of shift
BODY_COLUMNS = 9


class RigidDecoder(nn.Module):
    """A network with six numbers of rotation and three of shift for each body.

    positions_A: (N, 3) of the neutral mixture; membership: (n_bodies, N) from 0 to 1, how much of
    a Gaussian belongs to each body; a Gaussian that belongs to none stays.
    forward: (B, latent_dim) → Offsets of positions only.
    """

    positions_A: Tensor
    membership: Tensor
    centres_A: Tensor
    scale_rad: Tensor

    def __init__(
        self, latent_dim: int, positions_A: Tensor, membership: Tensor, hidden: int = HIDDEN
    ) -> None:
        super().__init__()
        membership = membership.to(positions_A)
        self.n_bodies = len(membership)
        self.layers = perceptron(latent_dim, hidden, BODY_COLUMNS * self.n_bodies)
        # All of these follow from the neutral mixture and the bodies: they are no weights.
        radii_A = body_radii_A(positions_A, membership).clamp_min(_LEAST_RADIUS_A)
        for name, value in (
            ("positions_A", positions_A),
            ("membership", membership),
            ("centres_A", body_centres_A(positions_A, membership)),
            # A unit turns a Gaussian at the body's radius as far as it shifts the body.
            ("scale_rad", MOTION_SCALE_A / radii_A),
        ):
            self.register_buffer(name, value.detach().clone(), persistent=False)

    def motions(self, latents: Tensor) -> RigidMotions:
        """How each body moves at (B, latent_dim) latents."""
        output = self.layers(latents).reshape(len(latents), self.n_bodies, BODY_COLUMNS)
        rotations = rotations_from_six(output[..., :6] * self.scale_rad[:, None])
        return RigidMotions(rotations, output[..., 6:] * MOTION_SCALE_A, self.centres_A)

    def offsets_A(self, latents: Tensor) -> Tensor:
        """(B, N, 3) offsets in Å at (B, latent_dim) latents."""
        return rigid_offsets(self.motions(latents), self.positions_A, self.membership)

    def forward(self, latents: Tensor) -> Offsets:
        return Offsets(self.offsets_A(latents))
