"""Maps of states must not show the noise that their particles were chosen by."""

import numpy as np
import pytest
import torch
from sliding_domain import ATOM_SIGMA_A, BOX, N_LARGE, PIXEL_A, simulated, truth

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.scoring import coefficients_in_use
from gmmflex.engine.model.images.splat import project_in_use
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.volumes.slices import SliceCoefficients
from gmmflex.engine.reconstruction.half_maps import maps_of_halves, sums_of_halves
from gmmflex.engine.reconstruction.maps import map_of_mixture
from gmmflex.engine.reconstruction.unseen import LeftOut, folds_of
from gmmflex.engine.runs.arrays import read_by_fold
from gmmflex.engine.stages.reconstruct.states import states_of_points

SEED, PARTICLES, NEAREST = 1, 1200, 200
LAST_RING = 10


def _quiet(_):
    pass


def _in_use():
    return coefficients_in_use(FourierGrid(BOX, PIXEL_A, LAST_RING), 2, LAST_RING)


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """Particles of one state, and the slide of their small domain as each image alone would have
    it: by whole images (n, 1) and by halves of their coefficients (n, 2, 1), in Å."""
    folder = simulated(tmp_path_factory.mktemp("still"), 0.0, PARTICLES, seed=SEED, snr=0.1)
    particles = read_particles(folder / "set" / "particles.star")
    coefficients = _in_use()
    data = read_particle_data(particles, coefficients, Storage(folder, 1.0), _quiet)
    state_A = truth(folder)["state_coordinates_A"][0] - BOX // 2 * PIXEL_A

    def slid(by_A):
        moved_A = state_A + np.outer(np.arange(len(state_A)) >= N_LARGE, [by_A, 0.0, 0.0])
        n = len(state_A)
        return GaussianMixture.from_arrays(moved_A, np.ones(n), np.full(n, ATOM_SIGMA_A))

    batch = data.batch(torch.arange(PARTICLES))

    def seen(by_A):
        found = project_in_use(slid(by_A), batch.rotations, batch.origins_A, coefficients)
        return found * batch.ctf[..., None]

    rest, slope = seen(0.0), (seen(1.0) - seen(-1.0)) / 2
    scale = (batch.images * rest).sum() / rest.square().sum()
    counts = coefficients.multiplicity[:, None]
    left = (batch.images - scale * rest) * scale * slope * counts
    told = (scale * slope).square() * counts
    halves = [
        (
            left[:, coefficients.folds == k].sum((1, 2))
            / told[:, coefficients.folds == k].sum((1, 2))
        ).numpy()
        for k in (0, 1)
    ]
    whole = (left.sum((1, 2)) / told.sum((1, 2))).numpy()[:, None]
    print(f"images tell the slide to {whole.std():.1f} A")
    change = (
        map_of_mixture(slid(1.0), BOX, PIXEL_A) - map_of_mixture(slid(-1.0), BOX, PIXEL_A)
    ) / 2
    return particles, whole, np.stack(halves, axis=1)[..., None], change


def _shown_A(still, state):
    """Slide that both half maps of a state show, from the consensus, in units of the truth."""
    particles, _, _, change = still
    left_out = None if state.left_out is None else LeftOut(_in_use(), state.left_out)
    of_state = sums_of_halves(
        particles, state.rows, weights=state.weights, left_out=left_out, log=_quiet
    )
    of_all = maps_of_halves(sums_of_halves(particles, log=_quiet))
    found = maps_of_halves(of_state)
    change = change / np.square(change).sum()
    # The scale of the map is that of the simulation: its total over the mixture's.
    scale = of_all.whole.data.sum() / 140.0
    return [
        float(((half.data - rest.data) * change).sum() / scale)
        for half, rest in zip(found.halves, of_all.halves, strict=True)
    ]


def test_maps_of_what_does_not_move_do_not_show_the_noise_they_were_chosen_by(still):
    _, whole, halves, _ = still
    ends = np.quantile(whole[:, 0], [0.05, 0.95]).astype(np.float32)[:, None]
    chosen = states_of_points(ends, whole, NEAREST, weighted=False)
    unseen = states_of_points(ends, whole, NEAREST, weighted=False, by_fold=halves)
    by_noise = np.array([_shown_A(still, state) for state in chosen])
    by_halves = np.array([_shown_A(still, state) for state in unseen])
    print("chosen and inserted whole", by_noise, "by halves", by_halves)
    apart_A = by_noise[1] - by_noise[0]
    # Both half maps agree about a motion that is not there.
    assert (apart_A > 1.0).all()
    assert np.abs(by_halves[1] - by_halves[0]).max() < 0.35 * apart_A.min()


def test_each_coefficient_belongs_to_the_half_that_the_analysis_had_it_in():
    in_use = _in_use()
    coefficients = SliceCoefficients(FourierGrid(BOX, PIXEL_A, 14))
    found = folds_of(coefficients, in_use)
    known = {
        (x, y): fold
        for x, y, fold in zip(
            in_use.kx_index.tolist(), in_use.ky_index.tolist(), in_use.folds.tolist(), strict=True
        )
    }
    places = zip(coefficients.kx_index.tolist(), coefficients.ky_index.tolist(), strict=True)
    expected = [known.get((int(x), int(y)), -1) for x, y in places]
    assert found.tolist() == expected
    assert set(expected) == {-1, 0, 1}


def test_a_particle_chosen_by_both_halves_counts_once():
    latents = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    halves = np.repeat(latents[:, None], 2, axis=1)
    (state,) = states_of_points(np.zeros((1, 1), np.float32), latents, 10, False, halves)
    (alone,) = states_of_points(np.zeros((1, 1), np.float32), latents, 10, False)
    assert len(state.rows) == 20
    assert state.particles == alone.particles == 10
    assert state.effective == alone.effective == 10
    assert state.left_out.tolist() == [0] * 10 + [1] * 10


def test_halves_that_do_not_fit_the_latents_are_refused(tmp_path):
    latents = np.zeros((5, 2), np.float32)
    assert read_by_fold(tmp_path, latents) is None
    np.save(tmp_path / "latents_by_fold.npy", np.zeros((5, 2, 3)))
    with pytest.raises(UserError, match=r"has shape \(5, 2, 3\) and not \(5, 2, 2\)"):
        read_by_fold(tmp_path, latents)
