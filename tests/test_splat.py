"""Projection by splatting against the published formula in float64, term by term."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.images import splat_numba, splat_torch
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.projection import project_reference, projected_positions_A
from gmmflex.engine.model.images.scoring import coefficients_in_use, plain_ring_sums, ring_sums
from gmmflex.engine.model.images.splat import project_in_use, splat_projection
from gmmflex.engine.model.images.splat_plan import SplatPlan, plan_splat
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets

SEED = 20261121
PIXEL_A = 1.7


def _problem(box, max_ring, widths_px, n=60, images=3, one_for_all=False):
    """Mixture, poses, coefficients in use: float64, or of what is asked for."""
    random = np.random.default_rng(SEED)
    shape = (n,) if one_for_all else (images, n)
    mixture = GaussianMixture(
        torch.tensor(random.uniform(-0.35, 0.35, (*shape, 3)) * box * PIXEL_A),
        torch.tensor(random.uniform(0.3, 2.0, shape)),
        torch.tensor(random.uniform(*widths_px, shape) * PIXEL_A),
    )
    rotations = torch.tensor(Rotation.random(images, random_state=SEED).as_matrix())
    origins = torch.tensor(random.uniform(-5, 5, (images, 2)))
    grid = FourierGrid(box, PIXEL_A, max_ring, dtype=torch.float64)
    return mixture, rotations, origins, coefficients_in_use(grid, 1, max_ring)


def _leaves(mixture, dtype):
    return [
        values.to(dtype).requires_grad_()
        for values in (mixture.positions_A, mixture.amplitudes, mixture.sigmas_A)
    ]


def _loss(values, images, contrast, coefficients, sums):
    return -sums(values, contrast, images, coefficients).whole().mean()


def _noisy(values):
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    contrast = 2 * torch.rand(values.shape[:2], generator=generator, dtype=torch.float64) - 1
    return contrast[..., None] * values.detach() + values.std().detach() * noise, contrast


@pytest.mark.parametrize(
    ("box", "share", "widths_px"),
    [
        (64, 1.0, (0.5, 0.6)),
        (64, 1.0, (0.9, 1.6)),
        (64, 1.0, (0.2, 2.0)),
        (64, 0.5, (0.8, 3.0)),
        (65, 1.0, (0.3, 1.2)),
        (96, 0.3, (0.5, 3.0)),
    ],
)
def test_loss_and_gradients_against_the_formula_in_float64(box, share, widths_px):
    """Relative error ≤ 1e-4 of the loss and ≤ 1e-3 of the gradient of every kind of parameter."""
    max_ring = int(share * max_usable_ring(box))
    mixture, rotations, origins, coefficients = _problem(box, max_ring, widths_px)
    exact = _leaves(mixture, torch.float64)
    planes = project_reference(GaussianMixture(*exact), rotations, origins, coefficients.grid)
    expected = torch.view_as_real(coefficients.select(planes))
    images, contrast = _noisy(expected)
    loss = _loss(expected, images, contrast, coefficients, plain_ring_sums)
    gradients = torch.autograd.grad(loss, exact)

    single = coefficients_in_use(FourierGrid(box, PIXEL_A, max_ring), 1, max_ring)
    plan = plan_splat(box * PIXEL_A, max_ring, *GaussianMixture(*exact).sigma_range_A, 10**6)
    assert plan is not None, "these widths are in use: there must be a plan for them"
    leaves = _leaves(mixture, torch.float32)
    landed = projected_positions_A(leaves[0], rotations.float(), origins.float())
    values = splat_projection(landed, leaves[1], leaves[2], single, plan)
    got = _loss(values, images.float(), contrast.float(), single, ring_sums)
    assert abs(got.item() - loss.item()) <= 1e-4 * abs(loss.item())
    for ours, theirs in zip(torch.autograd.grad(got, leaves), gradients, strict=True):
        assert (ours - theirs).norm() <= 1e-3 * theirs.norm()


@pytest.mark.slow
@pytest.mark.parametrize("one_for_all", [False, True], ids=["each", "shared"])
def test_the_derivative_is_that_of_the_projection(one_for_all):
    """torch's numerical differentiation, in float64, of every parameter and both layouts."""
    mixture, rotations, origins, coefficients = _problem(16, 7, (1.0, 1.3), 4, 2, one_for_all)
    plan = SplatPlan(30, 24, 16 * PIXEL_A / 30, 0.4 * PIXEL_A**2)

    def project(positions, amplitudes, sigmas):
        landed = projected_positions_A(positions, rotations, origins)
        return splat_projection(landed, amplitudes, sigmas, coefficients, plan)

    assert torch.autograd.gradcheck(project, _leaves(mixture, torch.float64), atol=1e-5)


def test_a_mixture_for_all_images_is_the_same_as_one_for_each():
    mixture, rotations, origins, coefficients = _problem(48, 23, (0.6, 1.0), one_for_all=True)
    images = len(rotations)
    repeated = GaussianMixture(
        *(
            values.expand(images, *values.shape)
            for values in (mixture.positions_A, mixture.amplitudes, mixture.sigmas_A)
        )
    )
    torch.testing.assert_close(
        project_in_use(mixture, rotations, origins, coefficients),
        project_in_use(repeated, rotations, origins, coefficients),
    )


def test_far_outside_the_box_a_gaussian_comes_back_at_the_other_side():
    """The discrete transform repeats: a shift by a whole box changes nothing."""
    mixture, rotations, origins, _ = _problem(32, 15, (0.6, 0.9))
    single = coefficients_in_use(FourierGrid(32, PIXEL_A, 15), 1, 15)
    plan = plan_splat(32 * PIXEL_A, 15, 0.6 * PIXEL_A, 0.9 * PIXEL_A, 10**6)
    assert plan is not None
    landed = projected_positions_A(mixture.positions_A, rotations, origins).float()
    amplitudes, sigmas = mixture.amplitudes.float(), mixture.sigmas_A.float()
    values = splat_projection(landed, amplitudes, sigmas, single, plan)
    shift = 32 * PIXEL_A * torch.tensor([3.0, -2.0])
    moved = splat_projection(landed + shift, amplitudes, sigmas, single, plan)
    assert (moved - values).norm() <= 1e-4 * values.norm()


@pytest.mark.parametrize("footprint", splat_numba.FOOTPRINTS)
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_kernels_against_plain_torch(footprint, threads):
    generator = torch.Generator().manual_seed(SEED)
    size = 50
    landed = 120 * torch.rand(5, 70, 2, generator=generator) - 40
    sigmas = 0.6 + torch.rand(70, generator=generator)
    weights = torch.rand(5, 70, generator=generator)
    grid = torch.randn(5, size, size, generator=generator)
    factors = torch.randn(5, 70, 3, 4, generator=generator)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        spread = splat_numba.spread(landed, sigmas, weights, size, footprint)
        planes = splat_numba.spread_planes(landed, sigmas, factors, size, footprint)
        gathered = splat_numba.gather(grid, landed, sigmas, footprint)
    finally:
        torch.set_num_threads(before)
    exact = [values.double() for values in (landed, sigmas, weights, grid)]
    expected = splat_torch.spread(*exact[:3], size, footprint)
    assert (spread - expected).norm() <= 1e-6 * expected.norm()
    expected = splat_torch.spread_planes(*exact[:2], factors.double(), size, footprint)
    assert (planes - expected).norm() <= 1e-6 * expected.norm()
    for ours, theirs in zip(
        gathered, splat_torch.gather(exact[3], *exact[:2], footprint), strict=True
    ):
        assert (ours - theirs).norm() <= 1e-6 * theirs.norm()


def test_compiled_ring_sums_against_plain_torch():
    mixture, rotations, origins, coefficients = _problem(32, 15, (0.6, 0.9))
    planes = project_reference(mixture, rotations, origins, coefficients.grid)
    exact = torch.view_as_real(coefficients.select(planes)).requires_grad_()
    images, contrast = _noisy(exact)
    single = coefficients_in_use(FourierGrid(32, PIXEL_A, 15), 1, 15)
    values = exact.detach().float().requires_grad_()
    ours = ring_sums(values, contrast.float(), images.float(), single)
    theirs = plain_ring_sums(exact, contrast, images, coefficients)
    for name in ("cross", "power_projection", "power_image"):
        torch.testing.assert_close(
            getattr(ours, name).double(), getattr(theirs, name), rtol=1e-5, atol=1e-3
        )
    generator = torch.Generator().manual_seed(SEED)
    weights = torch.rand(theirs.cross.shape, generator=generator, dtype=torch.float64)
    (got,) = torch.autograd.grad((ours.by_fold() * weights.float()).sum(), values)
    (expected,) = torch.autograd.grad((theirs.by_fold() * weights).sum(), exact)
    assert (got - expected).norm() <= 1e-5 * expected.norm()


def test_widths_too_different_for_a_grid_are_still_projected():
    """No footprint holds the widest on a grid that the narrowest needs: the dense product does."""
    mixture, rotations, origins, coefficients = _problem(64, 31, (0.3, 12.0))
    assert plan_splat(64 * PIXEL_A, 31, 0.3 * PIXEL_A, 12 * PIXEL_A, 10**6) is None
    planes = project_reference(mixture, rotations, origins, coefficients.grid)
    torch.testing.assert_close(
        project_in_use(mixture, rotations, origins, coefficients),
        torch.view_as_real(coefficients.select(planes)),
    )


def test_many_gaussians_are_splatted_and_few_coefficients_are_not():
    assert plan_splat(256.0, 127, 0.5, 1.0, 8000) is not None
    assert plan_splat(256.0, 2, 20.0, 30.0, 10) is None


def test_offsets_keep_widths_within_what_they_say():
    """The grid is chosen for these bounds before any width is known."""
    mixture, *_ = _problem(32, 15, (0.6, 0.9), one_for_all=True)
    assert mixture.sigma_range_A == (mixture.sigmas_A.min().item(), mixture.sigmas_A.max().item())
    moved = apply_offsets(mixture, Offsets(torch.ones(2, 60, 3, dtype=torch.float64)))
    assert moved.sigmas_between_A == mixture.sigma_range_A
    for widths in (-3.0, 0.1, 3.0):
        offsets = Offsets(widths=torch.full((2, 60), widths, dtype=torch.float64))
        changed = apply_offsets(mixture, offsets)
        least, largest = changed.sigma_range_A
        assert least <= changed.sigmas_A.min() and changed.sigmas_A.max() <= largest
