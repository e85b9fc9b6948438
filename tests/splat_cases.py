"""Random Gaussians on a periodic grid, and their sums written out term by term.

Run as a program, it compares the Triton kernels with the plain functions (`--interpret`, where
no GPU is needed) or compiles them for GPUs that need not be there (`--compile`).
"""

from __future__ import annotations

import os
import sys

import torch
from torch import Tensor


def random_case(
    batch: int, n_gaussians: int, size: int, shared: bool, seed: int = 5
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positions (also far outside the grid), widths, weights and a grid, in float32."""
    generator = torch.Generator().manual_seed(seed)
    each = (n_gaussians,) if shared else (batch, n_gaussians)
    landed = 3 * size * torch.rand(batch, n_gaussians, 2, generator=generator) - size
    landed[0, 0] = torch.tensor([0.0, size - 0.5])  # on a pixel, and half way between two
    sigmas = 0.6 + torch.rand(each, generator=generator)
    weights = torch.randn(each, generator=generator)
    return landed, sigmas, weights, torch.randn(batch, size, size, generator=generator)


def random_factors(batch: int, n_gaussians: int, n_planes: int, seed: int = 6) -> Tensor:
    """What Gaussians are multiplied by in each of several planes."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, n_gaussians, n_planes, 4, generator=generator)


def in_interpreter() -> None:
    """Every block shape: footprints below, at and above a power of two, a part-filled block."""
    from gmmflex.engine.model.images import splat_torch, splat_triton

    assert splat_triton.usable(torch.device("cpu"))
    for footprint in (3, 4, 5, 8, 10):
        for shared in (True, False):
            landed, sigmas, weights, grid = random_case(2, 70, 20, shared)
            torch.testing.assert_close(
                splat_triton.spread(landed, sigmas, weights, 20, footprint),
                splat_torch.spread(landed, sigmas, weights, 20, footprint),
                atol=2e-6,
                rtol=1e-5,
            )
            factors = random_factors(2, 70, 3)
            torch.testing.assert_close(
                splat_triton.spread_planes(landed, sigmas, factors, 20, footprint),
                splat_torch.spread_planes(landed, sigmas, factors, 20, footprint),
                atol=1e-5,
                rtol=1e-5,
            )
            torch.testing.assert_close(
                splat_triton.gather(grid, landed, sigmas, footprint),
                splat_torch.gather(grid, landed, sigmas, footprint),
                atol=1e-5,
                rtol=1e-5,
            )
    print("the same")


def for_absent_gpus() -> None:
    """From source to machine code for three generations of GPUs."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from gmmflex.engine.model.images import splat_triton

    constants = {"SIZE": 256, "FOOTPRINT": 7, "COLUMNS": 8, "BLOCK": 32}
    for kernel in (splat_triton.SPREAD, splat_triton.SPREAD_PLANES, splat_triton.GATHER):
        signature = {
            name: "constexpr" if name in constants else "i32" if _is_number(name) else "*fp32"
            for name in kernel.arg_names
        }
        for generation in (75, 80, 90):
            source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
            target = GPUTarget("cuda", generation, 32)
            compiled = triton.compile(source, target=target)
            assert len(compiled.asm["cubin"]) > 1000
            assert ".local" not in compiled.asm["ptx"], "registers spill"
    assert not splat_triton.usable(torch.device("cpu")), "only the interpreter runs them there"
    print("compiled")


def _is_number(name: str) -> bool:
    return name.startswith("n_") or name.endswith("_stride")


if __name__ == "__main__":
    if sys.argv[1] == "--interpret":
        os.environ["TRITON_INTERPRET"] = "1"
        in_interpreter()
    else:
        for_absent_gpus()
