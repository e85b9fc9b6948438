"""Ring sums of projections and images in one pass over the coefficients, for the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmmflex.engine.model.images.compiled import compiled
from gmmflex.engine.model.images.threads import over_images


def compiled_sums(
    values: Tensor, ctf: Tensor, images: Tensor, bins: Tensor, multiplicity: Tensor
) -> Tensor:
    """(B, 3, n_bins): ⟨P, I⟩, |P|², |I|² of every bin; `scoring.plain_ring_sums` in float32."""
    arguments = values, ctf, images, bins, multiplicity
    sums: Tensor = _Sums.apply(*arguments)  # type: ignore[no-untyped-call]
    return sums


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        ctf: Tensor,
        images: Tensor,
        bins: Tensor,
        multiplicity: Tensor,
    ) -> Tensor:
        values, ctf, images = values.contiguous(), ctf.contiguous(), images.contiguous()
        # float64: thousands of terms are added one after the other.
        sums = torch.zeros(len(values), 3, int(bins.max()) + 1, dtype=torch.float64)
        shared = bins.numpy(), multiplicity.numpy()
        over_images(
            lambda *parts: _add_up(*parts, *shared),
            sums.numpy(),
            values.detach().numpy(),
            ctf.numpy(),
            images.numpy(),
        )
        ctx.save_for_backward(values, ctf, images, bins, multiplicity)
        return sums.to(torch.float32)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, ctf, images, bins, multiplicity = ctx.saved_tensors
        result = torch.empty_like(values)
        shared = bins.numpy(), multiplicity.numpy()
        over_images(
            lambda *parts: _hand_back(*parts, *shared),
            result.numpy(),
            gradients[0].contiguous().numpy(),
            values.detach().numpy(),
            ctf.numpy(),
            images.numpy(),
        )
        return result, None, None, None, None


@compiled
def _add_up(sums: Any, values: Any, ctf: Any, images: Any, bins: Any, counts: Any) -> None:
    for image in range(len(values)):
        for k in range(len(bins)):
            c = ctf[image, k]
            real, imaginary = c * values[image, k, 0], c * values[image, k, 1]
            x, y = images[image, k, 0], images[image, k, 1]
            sums[image, 0, bins[k]] += counts[k] * (real * x + imaginary * y)
            sums[image, 1, bins[k]] += counts[k] * (real * real + imaginary * imaginary)
            sums[image, 2, bins[k]] += counts[k] * (x * x + y * y)


@compiled
def _hand_back(
    result: Any, gradient: Any, values: Any, ctf: Any, images: Any, bins: Any, counts: Any
) -> None:
    for image in range(len(values)):
        for k in range(len(bins)):
            c = ctf[image, k] * counts[k]
            by_cross = c * gradient[image, 0, bins[k]]
            by_power = np.float32(2) * c * ctf[image, k] * gradient[image, 1, bins[k]]
            for part in range(2):
                result[image, k, part] = (
                    by_cross * images[image, k, part] + by_power * values[image, k, part]
                )
