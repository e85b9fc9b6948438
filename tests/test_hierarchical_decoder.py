"""Anchors and the decoder they carry, against scipy's rotations and dense numpy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.mixture.anchors import anchors_among, spacing_A, transition_weights
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.build import DecoderDescription, build_decoder
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.rest_correction import RestCorrection

N = 120


def _points(seed=1):
    return torch.as_tensor(np.random.default_rng(seed).uniform(-30, 30, (N, 3)))


def _decoder(region=None, anchors=(6,), vary=("positions",), latent_dim=2):
    torch.manual_seed(4)
    positions = _points().float()
    mixture = GaussianMixture(positions, torch.ones(N), torch.full((N,), 2.0))
    description = DecoderDescription(name="h", kind="hierarchical", vary=vary, anchors=anchors)
    region = torch.ones(N) if region is None else region
    return build_decoder(description, region, latent_dim, mixture)


def test_weights_fall_with_the_distance_in_spacings():
    points = _points()
    anchors = anchors_among(points, torch.ones(N), 8, seed=2)
    weights = transition_weights(points, torch.ones(N), anchors).numpy()
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-12)
    between = cdist(anchors, anchors) + 1e9 * np.eye(8)
    assert spacing_A(anchors) == pytest.approx(between.min(1).mean())
    distance = cdist(points, anchors)
    assert (weights.argmax(1) == distance.argmin(1)).all()
    # the same molecule in another unit of length has the same weights
    larger = transition_weights(7 * points, torch.ones(N), 7 * anchors).numpy()
    np.testing.assert_allclose(larger, weights, atol=1e-9)


def test_anchors_stand_where_something_may_change():
    points = _points()
    region = (points[:, 0] > 0).double()
    anchors = anchors_among(points, region, 5, seed=1)
    assert anchors.shape == (5, 3) and (anchors[:, 0] > 0).all()
    weights = transition_weights(points, region, anchors)
    assert torch.equal(weights.sum(1) > 0, region > 0)
    few = anchors_among(points, region, 1000, seed=1)
    assert torch.equal(few, points[region > 0])


def test_one_anchor_turns_and_shifts_all_as_a_body():
    """Offsets of a single anchor are a rotation and a shift: distances stay, by Kabsch exactly."""
    decoder = _decoder(anchors=(1,))
    with torch.no_grad():
        torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 0.5)
        moved = decoder(torch.tensor([[1.5, -2.0]])).positions_A[0] + decoder.positions_A
    before, after = decoder.positions_A.double().numpy(), moved.double().numpy()
    rotation, rssd = Rotation.align_vectors(after - after.mean(0), before - before.mean(0))
    print(f"turned by {np.degrees(rotation.magnitude()):.1f} degrees")
    assert rotation.magnitude() > np.radians(10)
    assert rssd / np.sqrt(N) < 1e-3


def test_it_starts_at_rest_and_holds_what_is_held():
    region = (_points()[:, 2] > 0).float()
    decoder = _decoder(region, anchors=(4, 12), vary=("positions", "amplitudes", "widths"))
    offsets = decoder(torch.randn(3, 2))
    assert offsets.positions_A.abs().max() < 0.2
    torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 0.5)
    offsets = decoder(torch.randn(3, 2))
    held = region == 0
    for values in (offsets.positions_A, offsets.amplitudes, offsets.widths):
        assert (values[:, held] == 0).all()
        assert values[:, ~held].abs().max() > 0.05


def test_weights_are_learnt_only_when_told_and_only_where_they_are():
    decoder = _decoder(anchors=(30,))
    torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 0.5)
    decoder(torch.ones(1, 2)).positions_A.square().sum().backward()
    assert decoder.transition.grad is None
    decoder.learn_weights(True)
    decoder(torch.ones(1, 2)).positions_A.square().sum().backward()
    there = decoder.transition.detach() > 0
    assert 0.1 < there.float().mean() < 0.9
    assert (decoder.transition.grad[~there] == 0).all()
    assert decoder.transition.grad[there].abs().max() > 0


def test_weights_are_read_back_as_they_were():
    decoder = _decoder(anchors=(3, 9))
    torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 0.5)
    with torch.no_grad():
        decoder.transition.mul_(1.1)
    again = _decoder(anchors=(3, 9))
    again.load_state_dict(decoder.state_dict())
    latents = torch.randn(4, 2)
    assert torch.equal(again(latents).positions_A, decoder(latents).positions_A)


def test_decoders_add_up_when_they_take_part():
    first, second = _decoder(anchors=(2,)), _decoder(anchors=(5,), vary=("amplitudes",))
    for part in (first, second):
        torch.nn.init.normal_(part.layers[-1].weight, 0.0, 0.5)
    at_rest = RestCorrection(torch.ones(N))
    with torch.no_grad():
        at_rest.amplitudes += 0.25
    both = CombinedDecoder({"first": first, "second": second}, at_rest)
    latents = torch.randn(3, 2)
    offsets = both(latents)
    assert torch.equal(offsets.positions_A, first(latents).positions_A)
    torch.testing.assert_close(offsets.amplitudes, second(latents).amplitudes + 0.25)
    assert (offsets.widths == 0).all()
    both.activate(["second"])
    assert both(latents).positions_A is None and set(both.each(latents)) == {"second"}
