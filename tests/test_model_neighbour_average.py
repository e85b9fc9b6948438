"""Sparse neighbour averages against dense matrix products."""

import pytest
import torch

from gmmflex.engine.model.mixture.neighbour_average import NeighbourAverage
from gmmflex.engine.model.mixture.neighbourhood import smoothing_matrix

SEED = 3


@pytest.mark.parametrize("columns", [(1,), (12,), (4, 3)])
def test_product_and_gradient_are_those_of_the_dense_matrix(columns):
    print("seed", SEED)
    generator = torch.Generator().manual_seed(SEED)
    positions_A = 40 * torch.rand(150, 3, generator=generator, dtype=torch.float64)
    matrix = smoothing_matrix(positions_A, 5.0)
    values = torch.randn(150, *columns, generator=generator, dtype=torch.float64)
    weights = torch.randn(150, *columns, generator=generator, dtype=torch.float64)

    found = values.clone().requires_grad_()
    product = NeighbourAverage.from_coordinates(matrix).of(found)
    (product * weights).sum().backward()
    dense = matrix.to_dense()
    torch.testing.assert_close(product, torch.tensordot(dense, values, 1))
    torch.testing.assert_close(found.grad, torch.tensordot(dense.T, weights, 1))
