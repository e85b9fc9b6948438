"""`free`: every Gaussian may go its own way, neighbours preferably together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from gmmflex.engine.nets.decoders.base import DecoderKind, DecoderPlan, DecoderSizes, Shapes
from gmmflex.engine.settings.decoder_kind import DecoderOptions
from gmmflex.engine.settings.limits import LARGEST_SMOOTHING_A

if TYPE_CHECKING:
    from torch import nn


class FreeOptions(DecoderOptions):
    """smoothing_A: neighbours within about this move alike; the run fills in what is not given."""

    smoothing_A: float = Field(0.0, ge=0.0, le=LARGEST_SMOOTHING_A)


class Free(DecoderKind):
    name = "free"
    options = FreeOptions

    def build(self, plan: DecoderPlan) -> nn.Module:
        from gmmflex.engine.model.mixture.neighbourhood import smoothing_matrix
        from gmmflex.engine.nets.free_decoder import FreeDecoder

        smoothing = smoothing_matrix(plan.neutral.positions_A, max(plan.options.smoothing_A, 1e-3))
        return FreeDecoder(plan.latent_dim, smoothing, plan.region, plan.vary)

    def tensors(self, sizes: DecoderSizes) -> Shapes:
        from gmmflex.engine.nets.parameters import n_columns
        from gmmflex.engine.nets.perceptron import perceptron_shapes

        return perceptron_shapes(sizes.latent_dim, n_columns(sizes.vary) * sizes.gaussians)
