"""Morphed models against the true conformations of a kinase, through a decoder that knows them."""

import numpy as np
import pytest
from kinase_path import (
    CENTRE_A,
    N_FRAMES,
    PathDecoder,
    all_atom_path,
    gathered,
    latents_of_frames,
    results_of,
)

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.motion import carried_model as morph_model
from gmmflex.engine.motion.carried_model import morph_of
from gmmflex.engine.motion.reference_state import model_reference, neutral_reference


@pytest.fixture(scope="module")
def path():
    model, frames_A = all_atom_path()
    return model, frames_A, model.alpha_carbons()


def moved_atoms_A(results, model, latents):
    return np.concatenate(list(morph_of(results, model).batches(latents)))


def moved_trace_A(results, model, latents):
    return np.concatenate(list(morph_of(results, model).alpha_carbon_batches(latents)))


def rmsd_A(found_A, true_A):
    return np.sqrt(((found_A - true_A) ** 2).sum(-1).mean(-1))


@pytest.mark.parametrize("state", [0, 2, 4, 8])
def test_the_state_of_a_model_is_recognised(path, state):
    model, frames_A, alpha = path
    for gaussians_A in (frames_A[:, alpha], gathered(frames_A, model.elements != "H", 120)):
        fitted = model.with_coordinates(frames_A[state])
        reference = model_reference(results_of(gaussians_A), fitted)
        assert abs(reference.latents[0] - latents_of_frames()[state, 0]) < 0.12
        assert 0.8 < reference.correlation <= 1


@pytest.mark.parametrize("state", [1, 4, 7])
def test_morphed_models_are_the_true_conformations(path, state):
    """Whichever conformation was fitted, all others come out, all atoms in the file's frame."""
    model, frames_A, alpha = path
    results = results_of(frames_A[:, alpha])
    fitted = model.with_coordinates(frames_A[state])
    heavy = model.elements != "H"
    found_A = moved_atoms_A(results, fitted, latents_of_frames())
    assert found_A.shape == frames_A.shape
    error_A = rmsd_A(found_A[:, heavy], frames_A[:, heavy])
    unmoved_A = rmsd_A(frames_A[state, heavy], frames_A[:, heavy])
    far = unmoved_A > 2
    assert far.sum() >= 3
    np.testing.assert_array_less(error_A[far], 0.55 * unmoved_A[far])
    of_trace_A = moved_trace_A(results, fitted, latents_of_frames())
    np.testing.assert_allclose(of_trace_A, found_A[:, alpha], atol=1e-9)
    np.testing.assert_array_less(rmsd_A(of_trace_A, frames_A[:, alpha]), 0.75)


def test_without_the_reference_every_model_is_off(path):
    model, frames_A, alpha = path
    results = results_of(frames_A[:, alpha])
    fitted = model.with_coordinates(frames_A[0])
    plain = morph_of(results, fitted, neutral_reference(results, fitted))
    errors_A = [
        np.median(rmsd_A(next(morph.alpha_carbon_batches(latents_of_frames())), frames_A[:, alpha]))
        for morph in (morph_of(results, fitted), plain)
    ]
    assert errors_A[0] < 0.6 and errors_A[1] > 2.0


def test_gaussians_that_are_no_alpha_carbons_carry_the_model_too(path):
    model, frames_A, alpha = path
    results = results_of(gathered(frames_A, model.elements != "H", 120))
    fitted = model.with_coordinates(frames_A[4])
    found_A = moved_trace_A(results, fitted, latents_of_frames())
    np.testing.assert_array_less(rmsd_A(found_A, frames_A[:, alpha]), 1.1)


def test_batches_are_the_whole_in_pieces(path, monkeypatch):
    model, frames_A, alpha = path
    morph = morph_of(results_of(frames_A[:, alpha]), model)
    whole = np.concatenate(list(morph.batches(latents_of_frames())))
    monkeypatch.setattr(morph_model, "_AT_ONCE", 9 * 3 * len(model))
    pieces = list(morph.batches(latents_of_frames()))
    assert [len(piece) for piece in pieces] == [3] * (N_FRAMES // 3)
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-9)


def test_atoms_far_from_all_gaussians_move_finitely(path):
    model, frames_A, alpha = path
    results = results_of(frames_A[:, alpha])
    ion = model.subset(np.array([0]))
    values = {
        name: np.concatenate([getattr(model, name), getattr(ion, name)]) for name in vars(ion)
    }
    values["residue_numbers"][-1] = 999
    values["coordinates_A"][-1] = CENTRE_A + 1e5
    with_ion = type(model)(**values)
    found_A = moved_atoms_A(results, with_ion, latents_of_frames())
    assert np.isfinite(found_A).all()
    assert np.linalg.norm(found_A[:, -1] - CENTRE_A - 1e5, axis=-1).max() < 30
    np.testing.assert_allclose(
        found_A[:, :-1], moved_atoms_A(results, model, latents_of_frames()), atol=0.5
    )


def test_a_model_in_another_frame_is_refused(path):
    model, frames_A, alpha = path
    results = results_of(frames_A[:, alpha])
    elsewhere = model.with_coordinates(frames_A[0] - CENTRE_A)
    with pytest.raises(UserError, match=r"only \d+ % of the model's atoms .* fit the model into"):
        morph_of(results, elsewhere)


def test_a_run_that_varied_no_positions_is_refused(path):
    model, frames_A, alpha = path

    class Amplitudes(PathDecoder):
        def forward(self, latents):
            return Offsets(amplitudes=latents[:, :1].expand(-1, len(alpha)))

    results = results_of(frames_A[:, alpha], Amplitudes(frames_A[:, alpha]))
    with pytest.raises(UserError, match="did not vary positions"):
        morph_of(results, model)
