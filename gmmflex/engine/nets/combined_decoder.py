"""Several decoders on one latent space, each with its region; their offsets are added."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.rest_correction import RestCorrection


class CombinedDecoder(nn.Module):
    """Sums of the offsets of its parts; a part that is not active yet adds nothing.

    parts: name → decoder. A run always holds one of these, also with a single part.
    at_rest: what is added for every particle alike, or None.
    """

    def __init__(self, parts: dict[str, nn.Module], at_rest: RestCorrection | None = None) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.at_rest = at_rest
        self._active = set(parts)

    def activate(self, names: Iterable[str]) -> None:
        """Which parts take part."""
        self._active = set(names)

    def each(self, latents: Tensor) -> dict[str, Offsets]:
        """The offsets of each active part for (B, d) latents."""
        return {name: part(latents) for name, part in self.parts.items() if name in self._active}

    def forward(self, latents: Tensor) -> Offsets:
        total = Offsets()
        for offsets in self.each(latents).values():
            total = _sum(total, offsets)
        return total if self.at_rest is None else _sum(total, self.at_rest(latents))


def _sum(first: Offsets, second: Offsets) -> Offsets:
    return Offsets(
        _sum_of(first.positions_A, second.positions_A),
        _sum_of(first.amplitudes, second.amplitudes),
        _sum_of(first.widths, second.widths),
    )


def _sum_of(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
