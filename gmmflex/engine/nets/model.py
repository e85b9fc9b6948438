"""Encoder, decoder and neutral mixture: what is trained, saved and loaded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.encoder import Encoder

_ENCODER_SHARE = 0.3
_ENCODER_FROM_EPOCH = 3


@dataclass(frozen=True)
class Model:
    """Encoder, decoder, and the neutral mixture whose offsets the decoder gives."""

    encoder: Encoder
    decoder: CombinedDecoder
    neutral: GaussianMixture

    @property
    def device(self) -> torch.device:
        return self.neutral.positions_A.device

    @property
    def latent_dim(self) -> int:
        return self.encoder.linear.out_features

    def on(self, device: torch.device) -> Model:
        """The same networks and mixture, moved to a device."""
        return Model(self.encoder.to(device), self.decoder.to(device), self.neutral.to(device))

    def parameters(self) -> list[nn.Parameter]:
        """All weights that are learnt at present, the encoder's first."""
        both = (*self.encoder.parameters(), *self.decoder.parameters())
        return [weights for weights in both if weights.requires_grad]

    def optimiser(self, learning_rate: float, first_round: bool) -> Adam:
        """Adam; in a first round the decoder learns alone for two epochs.

        Then the encoder follows at a third of its rate: faster, it runs away from the layout it
        started on and tears motions apart.
        """
        encoder_from = _ENCODER_FROM_EPOCH if first_round else 1
        return Adam(
            [
                {
                    "params": list(self.encoder.parameters()),
                    "share": _ENCODER_SHARE,
                    "from_epoch": encoder_from,
                },
                {
                    "params": [p for p in self.decoder.parameters() if p.requires_grad],
                    "share": 1.0,
                    "from_epoch": 1,
                },
            ],
            learning_rate,
        )

    def state(self) -> dict[str, Tensor]:
        """Copies of all weights, by name."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {
            f"{part}.{name}": value.detach().cpu().clone()
            for part, net in both.items()
            for name, value in net.state_dict().items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        for part, net in (("encoder", self.encoder), ("decoder", self.decoder)):
            prefix = f"{part}."
            net.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
