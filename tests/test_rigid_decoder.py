"""Rigid bodies: rotations against scipy, offsets against moved points, gradients, full circles."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.model.geometry.rigid_motion import (
    RigidMotions,
    body_centres_A,
    body_radii_A,
    rigid_offsets,
    rotations_from_six,
)
from gmmflex.engine.nets.rigid_decoder import RigidDecoder


def _points(n=40, seed=1):
    return torch.as_tensor(np.random.default_rng(seed).uniform(-30, 30, (n, 3)))


def _membership(n=40):
    """Two bodies, one with a soft edge, and a rest."""
    membership = torch.zeros(2, n, dtype=torch.float64)
    membership[0, :15] = 1.0
    membership[0, 15:18] = torch.tensor([0.75, 0.5, 0.25], dtype=torch.float64)
    membership[1, 20:30] = 1.0
    return membership


def _six_of(rotations):
    """The six numbers that give (n, 3, 3) rotations."""
    return torch.as_tensor(np.concatenate([rotations[..., 0], rotations[..., 1]], -1)) - (
        torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64)
    )


# --- rotations -------------------------------------------------------------------------------


def test_nothing_is_the_identity():
    assert torch.equal(rotations_from_six(torch.zeros(2, 6)), torch.eye(3).expand(2, 3, 3))


def test_any_numbers_give_rotations_and_any_rotation_has_numbers():
    torch.manual_seed(1)
    found = rotations_from_six(3 * torch.randn(200, 6, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(
        found @ found.swapaxes(1, 2), np.tile(np.eye(3), (200, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(found), 1.0, atol=1e-9)
    wanted = Rotation.random(200, random_state=2).as_matrix()
    np.testing.assert_allclose(rotations_from_six(_six_of(wanted)).numpy(), wanted, atol=1e-12)


def test_small_numbers_are_turns_about_the_axes():
    for place, turn in ((1, [0, 0, 1.0]), (2, [0, -1.0, 0]), (5, [1.0, 0, 0])):
        six = torch.zeros(6, dtype=torch.float64)
        six[place] = 1e-6
        found = Rotation.from_matrix(rotations_from_six(six).numpy()).as_rotvec()
        np.testing.assert_allclose(found / 1e-6, turn, atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 0.3, 2.0])
def test_rotations_are_differentiable_also_at_the_identity(size):
    torch.manual_seed(3)
    six = (size * torch.randn(4, 6, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(rotations_from_six, (six,))


def test_numbers_of_a_full_turn_come_back_without_a_jump():
    axis = np.array([0.3, -0.5, 0.8]) / np.linalg.norm([0.3, -0.5, 0.8])
    angles = np.linspace(0, 2 * np.pi, 200)
    six = _six_of(Rotation.from_rotvec(angles[:, None] * axis).as_matrix())
    assert float((six[1:] - six[:-1]).abs().max()) < 0.04
    torch.testing.assert_close(six[0], six[-1])


# --- offsets ---------------------------------------------------------------------------------


def test_offsets_are_those_of_moved_points():
    points, membership = _points(), _membership()
    rotations = Rotation.random(6, random_state=4).as_matrix().reshape(3, 2, 3, 3)
    shifts = np.random.default_rng(5).normal(size=(3, 2, 3))
    centres = np.array([[1.0, 2, 3], [-4, 5, -6]])
    motions = RigidMotions(*(torch.as_tensor(v) for v in (rotations, shifts, centres)))
    found = rigid_offsets(motions, points, membership).numpy()
    for state in range(3):
        wanted = np.zeros((40, 3))
        for body in range(2):
            rotation = Rotation.from_matrix(rotations[state, body])
            moved = rotation.apply(points.numpy() - centres[body]) + centres[body]
            displacement = moved + shifts[state, body] - points.numpy()
            wanted += membership[body].numpy()[:, None] * displacement
        np.testing.assert_allclose(found[state], wanted, atol=1e-12)
    assert (found[:, membership.sum(0).numpy() == 0] == 0).all()


def test_centre_and_radius_are_weighted_by_membership():
    points, membership = _points(), _membership()
    weights = membership[0].numpy()
    centre = np.average(points.numpy(), axis=0, weights=weights)
    radius = np.sqrt(np.average(((points.numpy() - centre) ** 2).sum(1), weights=weights))
    np.testing.assert_allclose(body_centres_A(points, membership)[0].numpy(), centre)
    assert float(body_radii_A(points, membership)[0]) == pytest.approx(radius)


# --- decoder ---------------------------------------------------------------------------------


def _decoder(latent_dim=3):
    torch.manual_seed(1)
    return RigidDecoder(latent_dim, _points().float(), _membership())


@torch.no_grad()
def test_a_fresh_decoder_hardly_moves_anything():
    decoder = _decoder()
    latents = torch.randn(20, 3)
    assert float(decoder(latents).positions_A.abs().max()) < 0.3
    motions = decoder.motions(latents)
    angles = Rotation.from_matrix(motions.rotations.reshape(-1, 3, 3).double().numpy()).magnitude()
    assert np.degrees(angles).max() < 0.5
    assert decoder(latents).amplitudes is None and decoder(latents).widths is None


@torch.no_grad()
def test_bodies_stay_rigid_and_the_rest_stays_put():
    decoder = _decoder()
    torch.nn.init.normal_(decoder.layers[-1].weight, 0.0, 1.0)
    offsets = decoder(torch.randn(5, 3)).positions_A
    moved = decoder.positions_A + offsets
    before = torch.cdist(decoder.positions_A, decoder.positions_A)
    after = torch.cdist(moved, moved)
    for body in (slice(0, 15), slice(20, 30)):
        assert float(offsets[:, body].norm(dim=-1).max()) > 1.0
        torch.testing.assert_close(
            after[:, body, body], before[body, body].expand(5, -1, -1), atol=0.02, rtol=1e-3
        )
    assert (offsets[:, 18:20] == 0).all() and (offsets[:, 30:] == 0).all()


def test_gradients_of_the_decoder_are_those_of_finite_differences():
    torch.manual_seed(2)
    decoder = RigidDecoder(2, _points(), _membership(), hidden=8).double()
    latents = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: decoder(z).positions_A, (latents,))
    weights = decoder.layers[-1].weight
    assert torch.autograd.gradcheck(
        lambda w: (
            torch.func.functional_call(
                decoder, {"layers.4.weight": w}, (latents.detach(),)
            ).positions_A
        ),
        (weights,),
    )


def test_geometry_is_no_weight():
    assert all(name.startswith("layers.") for name in _decoder().state_dict())


def test_a_body_learns_to_turn_a_full_circle_with_the_latent():
    """Latents on a circle, true turn equal to their angle: learnt in a few hundred steps."""
    torch.manual_seed(5)
    points = _points(60).float() / 2
    membership = torch.zeros(1, 60)
    membership[0, :40] = 1.0
    decoder = RigidDecoder(2, points, membership)
    axis = np.array([0.36, 0.48, 0.8])
    centre = points[:40].mean(0)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=3e-3)

    def turned(angles):
        rotations = Rotation.from_rotvec(angles[:, None] * axis).as_matrix()
        rotations = torch.as_tensor(rotations, dtype=torch.float32)
        return (points[:40] - centre) @ rotations.transpose(1, 2) + centre

    def decoded(angles):
        latents = torch.as_tensor(np.stack([np.cos(angles), np.sin(angles)], 1)).float()
        return points[:40] + decoder(1.5 * latents).positions_A[:, :40]

    random = np.random.default_rng(6)
    for _ in range(500):
        angles = random.uniform(0, 2 * np.pi, 32)
        loss = (decoded(angles) - turned(angles)).square().sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    angles = np.linspace(0, 2 * np.pi, 73)
    with torch.no_grad():
        error = (decoded(angles) - turned(angles)).square().sum(-1).mean(-1).sqrt()
    print("largest RMSD on the circle", float(error.max()))
    assert float(error.max()) < 2.0
