"""A finished run read back: the same latents, the same mixtures, and clear refusals."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from sliding_domain import BOX, N_LARGE, N_SMALL, PIXEL_A, run, settings, simulated, truth

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.stages.heterogeneity import stage as heterogeneity

N_GAUSSIANS = N_LARGE + N_SMALL


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, 200, seed=1)


@pytest.fixture(scope="module")
def trained(moving, tmp_path_factory):
    """A run, and what its model decoded and found at the moment of writing."""
    seen = {}
    write = heterogeneity.write_results

    def watch(options, particles, prepared, outcome, centre_A):
        with torch.no_grad():
            seen["offsets"] = prepared.task.model.decoder(torch.ones(1, 2))
        seen["latents"] = outcome.readout
        return write(options, particles, prepared, outcome, centre_A)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heterogeneity, "write_results", watch)
        folder = run(
            moving,
            tmp_path_factory.mktemp("runs") / "run",
            epochs=2,
            vary=("positions", "amplitudes", "widths"),
        )
    return folder, seen


def test_what_is_read_is_what_was_trained(trained):
    folder, seen = trained
    results = read_run(folder)
    decoded = results.offsets(np.ones((1, 2), np.float32))
    for name in ("positions_A", "amplitudes", "widths"):
        ours, theirs = getattr(decoded, name), getattr(seen["offsets"], name)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results.latents, seen["latents"].latents.numpy(), atol=1e-6)
    covariances = np.load(folder / "latent_covariances.npy")
    np.testing.assert_allclose(covariances, seen["latents"].covariances.numpy(), atol=1e-6)
    assert covariances.shape == (200, 2, 2) and (np.linalg.eigvalsh(covariances) > 0).all()
    by_fold = np.load(folder / "latents_by_fold.npy")
    np.testing.assert_allclose(by_fold, seen["latents"].by_fold.numpy(), atol=1e-6)
    assert by_fold.shape == (200, 2, 2)
    np.testing.assert_array_equal(results.latents, np.load(folder / "latents.npy"))


def test_mixtures_lie_in_the_frame_of_the_file(trained, moving):
    """Centred mixture + centre is the mixture that was given, at about latent zero."""
    results = read_run(trained[0])
    np.testing.assert_allclose(results.centre_A, BOX // 2 * PIXEL_A)
    given = truth(moving)["state_coordinates_A"][4]
    neutral = results.model.neutral.positions_A.numpy() + results.centre_A
    np.testing.assert_allclose(neutral, given, atol=1e-3)
    mixtures = results.mixtures(results.latents[:7])
    assert mixtures.positions_A.shape == (7, N_GAUSSIANS, 3)
    offsets = results.offsets(results.latents[:7])
    moved = results.model.neutral.positions_A + offsets.positions_A
    torch.testing.assert_close(mixtures.positions_A, moved)
    assert (mixtures.amplitudes > 0).all() and (mixtures.sigmas_A > 0).all()


def _copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_an_unfinished_run_is_refused(moving, trained, tmp_path):
    message = "holds no finished run of 'gmmflex heterogeneity': run or resume it first"
    with pytest.raises(UserError, match=message):
        read_run(tmp_path)
    for name in ("summary.json", "weights.safetensors", "latents.npy"):
        copy = _copy(trained[0], tmp_path / name)
        (copy / name).unlink()
        with pytest.raises(UserError, match=message):
            read_run(copy)


def _without_metadata(folder):
    save_file(load_file(folder / "weights.safetensors"), folder / "weights.safetensors")


def _tensor_missing(folder):
    tensors = load_file(folder / "weights.safetensors")
    tensors.pop("decoder.parts.free.layers.0.weight")
    save_file(tensors, folder / "weights.safetensors", {"gmmflex": _about(folder)})


def _of_another_size(folder):
    about = {**json.loads(_about(folder)), "latent_dim": 3}
    tensors = load_file(folder / "weights.safetensors")
    save_file(tensors, folder / "weights.safetensors", {"gmmflex": json.dumps(about)})


def _truncated(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _metadata_is_no_json(folder):
    tensors = load_file(folder / "weights.safetensors")
    save_file(tensors, folder / "weights.safetensors", {"gmmflex": "free decoder"})


def _latents_truncated(folder):
    (folder / "latents.npy").write_bytes(b"\x93NUMPY")


def _latents_are_a_pickle(folder):
    np.save(folder / "latents.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _about(folder):
    length = int.from_bytes((folder / "weights.safetensors").read_bytes()[:8], "little")
    header = (folder / "weights.safetensors").read_bytes()[8 : 8 + length]
    return json.loads(header)["__metadata__"]["gmmflex"]


@pytest.mark.parametrize(
    "damage",
    [
        _without_metadata,
        _tensor_missing,
        _of_another_size,
        _truncated,
        _metadata_is_no_json,
        _latents_truncated,
        _latents_are_a_pickle,
    ],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_damaged_results_are_refused(damage, trained, tmp_path):
    copy = _copy(trained[0], tmp_path)
    damage(copy)
    with pytest.raises(UserError, match="was not written by this version of gmmflex"):
        read_run(copy)


def test_latents_that_are_no_numbers_are_refused(trained, tmp_path):
    copy = _copy(trained[0], tmp_path)
    latents = np.load(copy / "latents.npy")
    latents[3, 1] = np.nan
    np.save(copy / "latents.npy", latents)
    with pytest.raises(UserError, match=r"latents\.npy holds values that are not finite"):
        read_run(copy)


def test_metadata_tells_the_architecture(trained):
    about = json.loads(_about(trained[0]))
    [decoder] = about["decoders"]
    assert decoder["kind"] == "free" and about["latent_dim"] == 2
    assert decoder["vary"] == ["positions", "amplitudes", "widths"]
    assert about["gaussians"] == N_GAUSSIANS


def test_settings_of_the_run_are_those_that_were_given(trained, moving):
    stored = json.loads((trained[0] / "run.json").read_text())["config"]
    given = settings(moving, trained[0], epochs=2, vary=("widths", "positions", "amplitudes"))
    assert stored == given.model_dump(mode="json")
