"""Projections with their derivatives, against torch's differentiation of the published formula."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.fitting.decoded_tangents import decoded_with_tangents
from gmmflex.engine.model.images.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.images.projection import project_reference
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.images.splat import plan_of, project_in_use
from gmmflex.engine.model.images.tangents import Tangents, project_with_tangents
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.hierarchical_decoder import HierarchicalDecoder

SEED = 20261129
PIXEL_A = 1.7
IMAGES, DIRECTIONS = 3, 2


def _problem(box, max_ring, widths_px, n):
    """A mixture for each image, how it changes, and poses, in float64."""
    print("seed", SEED)
    random = np.random.default_rng(SEED)
    mixture = GaussianMixture(
        torch.tensor(random.uniform(-0.35, 0.35, (IMAGES, n, 3)) * box * PIXEL_A),
        torch.tensor(random.uniform(0.3, 2.0, (IMAGES, n))),
        torch.tensor(random.uniform(*widths_px, (IMAGES, n)) * PIXEL_A),
    )
    tangents = Tangents(
        torch.tensor(random.normal(size=(IMAGES, DIRECTIONS, n, 3))),
        torch.tensor(random.normal(size=(IMAGES, DIRECTIONS, n))),
        torch.tensor(0.3 * random.normal(size=(IMAGES, DIRECTIONS, n))),
    )
    rotations = torch.tensor(Rotation.random(IMAGES, random_state=SEED).as_matrix())
    origins = torch.tensor(random.uniform(-5, 5, (IMAGES, 2)))
    grid = FourierGrid(box, PIXEL_A, max_ring, dtype=torch.float64)
    return mixture, tangents, (rotations, origins), coefficients_in_use(grid, 1, max_ring)


def _by_torch(mixture, tangents, poses, coefficients):
    def projected(positions_A, amplitudes, sigmas_A):
        moved = GaussianMixture(positions_A, amplitudes, sigmas_A)
        planes = project_reference(moved, *poses, coefficients.grid)
        return torch.view_as_real(coefficients.select(planes))

    at = (mixture.positions_A, mixture.amplitudes, mixture.sigmas_A)
    values, derivatives = None, []
    for number in range(DIRECTIONS):
        along = tuple(part[:, number] for part in vars(tangents).values())
        values, derivative = torch.autograd.functional.jvp(projected, at, along)
        derivatives.append(derivative)
    return torch.stack([values, *derivatives], 1)


def _single(mixture, tangents, poses, coefficients):
    """The same problem in float32."""
    grid = coefficients.grid
    less = FourierGrid(round(1 / grid.step_per_A / PIXEL_A), PIXEL_A, grid.max_ring)
    return (
        GaussianMixture(*(v.float() for v in list(vars(mixture).values())[:3])),
        Tangents(*(values.float() for values in vars(tangents).values())),
        *(values.float() for values in poses),
        coefficients_in_use(less, 1, grid.max_ring),
    )


def _assert_close(found, expected, tolerance):
    for number in range(1 + DIRECTIONS):
        own, theirs = found[:, number], expected[:, number]
        assert (own - theirs).norm() <= tolerance * theirs.norm()


@pytest.mark.parametrize(
    ("box", "share", "widths_px"),
    [
        (64, 1.0, (0.9, 1.6)),
        (64, 1.0, (0.2, 2.0)),
        (64, 0.5, (0.8, 3.0)),
        (65, 1.0, (0.3, 1.2)),
        (96, 0.3, (0.5, 3.0)),
    ],
)
def test_splatted_tangents_against_the_formula_in_float64(box, share, widths_px):
    problem = _problem(box, int(share * max_usable_ring(box)), widths_px, 600)
    assert plan_of(problem[0], problem[-1].grid) is not None
    expected = _by_torch(*problem)
    _assert_close(project_with_tangents(*_single(*problem)), expected, 1e-4)
    mixture, tangents, poses, coefficients = problem
    exact = project_with_tangents(mixture, tangents, *poses, coefficients)
    _assert_close(exact, expected, 1e-4)


def test_where_there_is_no_grid_the_product_has_the_same_tangents():
    problem = _problem(32, 15, (0.3, 12.0), 60)
    mixture, tangents, poses, coefficients = problem
    assert plan_of(mixture, coefficients.grid) is None
    found = project_with_tangents(mixture, tangents, *poses, coefficients)
    _assert_close(found, _by_torch(*problem), 1e-12)


def test_values_are_those_of_the_projection_alone():
    mixture, tangents, *rest = _single(*_problem(48, 23, (0.6, 1.0), 600))
    found = project_with_tangents(mixture, tangents, *rest)[:, 0]
    alone = project_in_use(mixture, *rest)
    assert (found - alone).norm() <= 1e-6 * alone.norm()


def test_one_mixture_for_all_images_is_the_same_as_one_for_each():
    mixture, tangents, *rest = _single(*_problem(48, 23, (0.6, 1.0), 600))
    one = GaussianMixture(mixture.positions_A[0], mixture.amplitudes[0], mixture.sigmas_A[0])
    each = GaussianMixture(
        *(v.expand(IMAGES, *v.shape) for v in list(vars(one).values())[:3]), one.sigma_range_A
    )
    torch.testing.assert_close(
        project_with_tangents(one, tangents, *rest), project_with_tangents(each, tangents, *rest)
    )


def test_decoded_tangents_are_the_derivatives_of_the_mixture():
    """Of a network without edges nearby, in float64, by torch."""
    print("seed", SEED)
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    positions_A = 20 * torch.randn(50, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(50, 4, generator=generator, dtype=torch.float64)
    decoder = HierarchicalDecoder(
        3, positions_A, [positions_A[:4]], [10.0], [weights], ("positions", "amplitudes", "widths")
    ).double()
    torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 0.05)
    ones = torch.ones(50, dtype=torch.float64)
    neutral = GaussianMixture(positions_A, ones, 2 * ones)

    def parts(latents):
        mixture = apply_offsets(neutral, decoder(latents))
        return mixture.positions_A, mixture.amplitudes, mixture.sigmas_A

    latents = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    differences = torch.tensor([1e-5, 2e-5, 3e-5], dtype=torch.float64)
    with torch.no_grad():
        here, tangents = decoded_with_tangents(
            lambda values: apply_offsets(neutral, decoder(values)), latents, differences
        )
    for number in range(3):
        along = torch.zeros_like(latents)
        along[:, number] = 1.0
        at, expected = torch.autograd.functional.jvp(parts, latents, along)
        for value, own in zip(at, list(vars(here).values())[:3], strict=True):
            torch.testing.assert_close(own, value)
        for rate, own in zip(expected, vars(tangents).values(), strict=True):
            torch.testing.assert_close(own[:, number], rate, rtol=1e-6, atol=1e-7)
