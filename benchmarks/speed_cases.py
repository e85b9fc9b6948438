"""What the speed of is measured: random mixtures in a sphere, random views, noisy images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmmflex.engine.data.particles import Batch, ParticleData
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.images.ctf import CtfBatch, ctf, ctf_batch
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.scoring import Coefficients, coefficients_in_use
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture

# Radius of the particle as a share of the box.
_RADIUS = 0.3
# Particles differ from the mixture they are compared with by so much in every coordinate.
_DISPLACED_PX = 1.0
_SNR = 0.1


@dataclass(frozen=True)
class Case:
    """N Gaussians, box in pixels, particles of a batch, the range of the widths in pixels, and the
    last ring in use (box/2 − 1 unless told)."""

    n_gaussians: int
    box_px: int
    batch: int
    widths_px: tuple[float, float] = (0.9, 1.6)
    last_ring: int | None = None
    pixel_A: float = 1.5

    @property
    def name(self) -> str:
        return f"{self.n_gaussians}, {self.box_px} ({self.batch})"

    @property
    def rings_in_use(self) -> int:
        return self.last_ring or max_usable_ring(self.box_px)

    def coefficients(self, device: torch.device | str = "cpu") -> Coefficients:
        """Rings 1 … rings_in_use."""
        grid = FourierGrid(self.box_px, self.pixel_A, self.rings_in_use, device)
        return coefficients_in_use(grid, 1, self.rings_in_use)


FOUR_CASES = (
    Case(512, 64, 32),
    Case(2048, 128, 16),
    Case(3000, 128, 16),
    Case(8000, 256, 8),
)
# Small enough for a test, large enough that every part is used.
QUICK_CASES = (Case(60, 32, 4), Case(150, 48, 2))
# What `gmmflex neutral` gives on the demo's map (8 Å, 2 Å/px; all of 214 Gaussians lie in this
# range, nine tenths of them in 0.57 … 1.70).
NEUTRAL_WIDTHS_PX = (0.45, 1.8)


def with_widths(cases: tuple[Case, ...], widths_px: tuple[float, float]) -> tuple[Case, ...]:
    """The same cases with Gaussians of other widths."""
    return tuple(replace(case, widths_px=widths_px) for case in cases)


@dataclass(frozen=True)
class Problem:
    """A case with numbers. mixtures: one for each particle, (B, N, …); batch: its particles; data:
    the same particles as training holds them."""

    case: Case
    coefficients: Coefficients
    mixtures: GaussianMixture
    batch: Batch
    data: ParticleData

    def to(self, device: torch.device, dtype: torch.dtype) -> Problem:
        """The same on another device or in another precision."""
        grid = self.coefficients.grid
        coefficients = coefficients_in_use(
            FourierGrid(grid.box_px, grid.pixel_size_A, grid.max_ring, device, dtype),
            self.coefficients.first_ring,
            self.coefficients.last_ring,
        )
        return Problem(
            self.case,
            coefficients,
            self.mixtures.to(device, dtype),
            Batch(
                self.batch.rotations.to(device, dtype),
                self.batch.origins_A.to(device, dtype),
                self.batch.ctf.to(device, dtype),
                self.batch.images.to(device, dtype),
            ),
            replace(self.data, coefficients=coefficients),
        )

    def some(self, particles: slice) -> Problem:
        """Some of its particles; `data` stays whole."""
        batch, mixtures = self.batch, self.mixtures
        return Problem(
            self.case,
            self.coefficients,
            GaussianMixture(
                mixtures.positions_A[particles],
                mixtures.amplitudes[particles],
                mixtures.sigmas_A[particles],
            ),
            Batch(
                batch.rotations[particles],
                batch.origins_A[particles],
                batch.ctf[particles],
                batch.images[particles],
            ),
            self.data,
        )


def problem_of(case: Case, seed: int = 1) -> Problem:
    """On the CPU in float32."""
    generator = torch.Generator().manual_seed(seed)
    coefficients = case.coefficients()
    neutral = random_mixture(case, generator)
    shape = (case.batch, case.n_gaussians)
    moved = 0.5 * torch.randn(*shape, 3, generator=generator)
    scaled = torch.exp(0.05 * torch.randn(2, *shape, generator=generator))
    mixtures = GaussianMixture(
        neutral.positions_A + moved, neutral.amplitudes * scaled[0], neutral.sigmas_A * scaled[1]
    )
    data = particle_data(neutral, case.batch, coefficients, generator)
    batch = data.batch(torch.arange(case.batch))
    return Problem(case, coefficients, mixtures, batch, data)


def particle_data(
    neutral: GaussianMixture, particles: int, coefficients: Coefficients, generator: torch.Generator
) -> ParticleData:
    """Particles of other mixtures than the neutral one, in random views; coefficients: on CPU."""
    rotations = random_rotations(particles, generator)
    origins_A = 2 * coefficients.grid.pixel_size_A * torch.randn(particles, 2, generator=generator)
    optics = random_optics(particles, generator)
    contrast = coefficients.select(ctf(optics, coefficients.grid))
    images = noisy_images(neutral, rotations, origins_A, contrast, coefficients, generator)
    return ParticleData(RowsInMemory(images), rotations, origins_A, optics, coefficients, 1.0)


def random_mixture(case: Case, generator: torch.Generator) -> GaussianMixture:
    """Gaussians evenly in a sphere."""
    n = case.n_gaussians
    direction = torch.randn(n, 3, generator=generator)
    direction = direction / direction.norm(dim=1, keepdim=True)
    radius = _RADIUS * case.box_px * case.pixel_A * torch.rand(n, 1, generator=generator) ** (1 / 3)
    narrow, wide = case.widths_px
    return GaussianMixture(
        direction * radius,
        0.5 + torch.rand(n, generator=generator),
        case.pixel_A * (narrow + (wide - narrow) * torch.rand(n, generator=generator)),
    )


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    """(count, 3, 3), evenly distributed: the QR decomposition of normal numbers."""
    q, r = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator))
    q = q * r.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    return q * torch.linalg.det(q)[:, None, None]


def random_optics(count: int, generator: torch.Generator) -> CtfBatch:
    """300 kV, 0.8 to 1.8 µm of defocus, some astigmatism."""
    defocus = (8000 + 10000 * torch.rand(count, generator=generator)).double().numpy()
    angle = (180 * torch.rand(count, generator=generator)).double().numpy()
    ones = torch.ones(count, dtype=torch.float64).numpy()
    return ctf_batch(defocus, defocus - 300, angle, 300 * ones, 2.7 * ones, 0.1 * ones, 0 * ones)


def noisy_images(
    neutral: GaussianMixture,
    rotations: Tensor,
    origins_A: Tensor,
    contrast: Tensor,
    coefficients: Coefficients,
    generator: torch.Generator,
) -> Tensor:
    """(B, K, 2): coefficients of other mixtures (all Gaussians displaced at random) and noise."""
    n = neutral.n_gaussians
    images = []
    for view in range(len(rotations)):
        one = slice(view, view + 1)
        displaced = (
            _DISPLACED_PX * coefficients.grid.pixel_size_A * torch.randn(n, 3, generator=generator)
        )
        other = GaussianMixture(
            neutral.positions_A + displaced, neutral.amplitudes, neutral.sigmas_A
        )
        values = project_in_use(other, rotations[one], origins_A[one], coefficients)
        clean = values * contrast[one, :, None]
        noise = torch.randn(clean.shape, generator=generator)
        images.append(clean + noise * clean.square().mean().sqrt() / _SNR**0.5)
    return torch.cat(images)
