"""`hierarchical`: a few anchors carry the many Gaussians of the mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from gmmflex.engine.nets.decoders.base import DecoderKind, DecoderPlan, DecoderSizes, Shapes
from gmmflex.engine.settings.decoder_kind import DecoderOptions
from gmmflex.engine.settings.limits import MOST_LEVELS

if TYPE_CHECKING:
    from torch import nn


class HierarchicalOptions(DecoderOptions):
    """anchors: their number at each level, coarse to fine."""

    anchors: tuple[Annotated[int, Field(ge=1)], ...] = Field((32,), max_length=MOST_LEVELS)


class Hierarchical(DecoderKind):
    name = "hierarchical"
    options = HierarchicalOptions

    def build(self, plan: DecoderPlan) -> nn.Module:
        from gmmflex.engine.model.mixture.anchors import (
            anchors_among,
            spacing_A,
            transition_weights,
        )
        from gmmflex.engine.nets.hierarchical_decoder import HierarchicalDecoder

        positions_A = plan.neutral.positions_A
        levels = [
            anchors_among(positions_A, plan.region, count, plan.seed)
            for count in plan.options.anchors
        ]
        transitions = [transition_weights(positions_A, plan.region, anchors) for anchors in levels]
        reach_A = [spacing_A(anchors) for anchors in levels]
        return HierarchicalDecoder(
            plan.latent_dim, positions_A, levels, reach_A, transitions, plan.vary
        )

    def tensors(self, sizes: DecoderSizes) -> Shapes:
        from gmmflex.engine.nets.hierarchical_decoder import hierarchical_columns
        from gmmflex.engine.nets.perceptron import perceptron_shapes

        # A region of few Gaussians has fewer anchors than were asked for; how many tells only what
        # is stored.
        most = sum(min(count, sizes.gaussians) for count in sizes.options.anchors)
        anchors = min(most, (*sizes.stored.get("anchors_A", ()), 0)[0])
        return {
            **perceptron_shapes(sizes.latent_dim, hierarchical_columns(sizes.vary) * anchors),
            "transition": (sizes.gaussians, anchors),
            "anchors_A": (anchors, 3),
        }
