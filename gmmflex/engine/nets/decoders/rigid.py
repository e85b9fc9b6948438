"""`rigid`: bodies turn and shift as wholes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from gmmflex.engine.nets.decoders.base import DecoderKind, DecoderPlan, DecoderSizes, Shapes
from gmmflex.engine.settings.decoder_kind import DecoderOptions

if TYPE_CHECKING:
    from torch import nn


class RigidOptions(DecoderOptions):
    """body_edge_A: width of the soft edge of bodies; it is in their memberships."""

    body_edge_A: float = Field(0.0, ge=0.0, le=50.0)


class Rigid(DecoderKind):
    name = "rigid"
    options = RigidOptions
    can_vary = ("positions",)
    moves_bodies = True

    def build(self, plan: DecoderPlan) -> nn.Module:
        from gmmflex.engine.nets.rigid_decoder import RigidDecoder

        return RigidDecoder(plan.latent_dim, plan.neutral.positions_A, plan.region)

    def tensors(self, sizes: DecoderSizes) -> Shapes:
        from gmmflex.engine.nets.perceptron import perceptron_shapes
        from gmmflex.engine.nets.rigid_decoder import BODY_COLUMNS

        return perceptron_shapes(sizes.latent_dim, BODY_COLUMNS * sizes.bodies)
