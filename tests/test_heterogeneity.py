"""`gmmflex heterogeneity` end to end on a set whose motion is known."""

import csv
import hashlib
import json

import gemmi
import mrcfile
import numpy as np
import pytest
from matplotlib.image import imread
from safetensors.numpy import load_file
from scipy.stats import spearmanr
from sliding_domain import (
    BOX,
    N_LARGE,
    N_SMALL,
    PIXEL_A,
    first_component,
    run,
    simulated,
    truth,
)

from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.runs.results import read_run

N = 600
CONTRACT = {
    "latents.star",
    "weights.safetensors",
    "metrics.csv",
    "motion.npz",
    "summary.json",
    "run.json",
    "checkpoint",
    "latents.npy",
    "latent_covariances.npy",
    "latents_by_fold.npy",
    "pose_changes.npy",
    "density.npy",
    "latents.png",
    "training.png",
    "junk.png",
}


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, N, seed=1)


@pytest.fixture(scope="module")
def log():
    return []


@pytest.fixture(scope="module")
def finished(moving, tmp_path_factory, log):
    return run(moving, tmp_path_factory.mktemp("runs") / "finished", log, epochs=200)


def _summary(folder):
    return json.loads((folder / "summary.json").read_text())


def _metrics(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _star(path):
    document = gemmi.cif.read(str(path))
    tables = {}
    for block in document:
        tags = [tag for item in block if item.loop for tag in item.loop.tags]
        tables[block.name] = {tag: list(block.find_values(tag)) for tag in tags}
    return tables


def _gain(folder):
    summary = _summary(folder)
    return summary["test_score"] - summary["test_score_neutral"]


# --- what it finds -----------------------------------------------------------------------------


def test_first_component_is_the_motion(finished, moving):
    latents = np.load(finished / "latents.npy")
    correlation = abs(spearmanr(first_component(latents), truth(moving)["state"])[0])
    print(f"|Spearman| {correlation:.3f}")
    assert correlation > 0.9


def test_decoded_offsets_are_the_motion(finished, moving):
    """The small domain is moved along its path, by its length; the large one stays."""
    results = read_run(finished)
    states_A = truth(moving)["state_coordinates_A"]
    state = truth(moving)["state"]
    decoded = results.offsets(results.latents).positions_A.numpy()
    small = decoded[:, N_LARGE:].mean(1)
    ends = small[state == state.max()].mean(0) - small[state == 0].mean(0)
    true_ends = (states_A[-1] - states_A[0])[N_LARGE:].mean(0)
    cosine = ends @ true_ends / np.linalg.norm(ends) / np.linalg.norm(true_ends)
    assert cosine > 0.9
    assert 0.5 < np.linalg.norm(ends) / np.linalg.norm(true_ends) < 1.2
    middle = states_A[len(states_A) // 2]
    error = states_A[state] - middle - decoded
    unmoved = states_A[state] - middle
    assert np.sqrt((error**2).sum(-1).mean()) < 0.75 * np.sqrt((unmoved**2).sum(-1).mean())


@pytest.mark.slow
def test_a_set_that_does_not_move_gains_nothing(finished, tmp_path, log):
    """The held-out score rises with motion only, and training gives up early without."""
    still = simulated(tmp_path, 0.0, N, seed=2)
    folder = run(still, tmp_path / "run", epochs=200)
    print(f"gain moving {_gain(finished):.4f}, still {_gain(folder):.4f}")
    assert _gain(finished) > 0.05
    assert abs(_gain(folder)) < 0.05 * _gain(finished)
    assert _summary(folder)["epochs"] < _summary(finished)["epochs"]


def test_training_ends_by_itself(finished):
    """200 epochs were allowed; the learning rate falls before the end and the best is kept."""
    lines = _metrics(finished)
    assert 5 < len(lines) < 60
    rates = [float(line["learning_rate"]) for line in lines]
    assert rates == sorted(rates, reverse=True) and rates[-1] < rates[0]
    best = -min(float(line["test_loss"]) for line in lines)
    assert _summary(finished)["test_score_encoded"] == pytest.approx(best, abs=1e-6)


def test_decoder_learns_from_fitted_latents_as_long_as_it_helps(finished):
    """Its best epoch on held-out particles is the one that stays, the start if none is better."""
    summary = _summary(finished)
    scores = summary["decoder_lesson"]["held_out_scores"]
    print(f"encoded {summary['test_score_encoded']:.4f}, fitted {scores}")
    assert summary["test_score"] == max(scores) >= scores[0] > summary["test_score_encoded"]


# --- what it writes ----------------------------------------------------------------------------


def test_run_folder_is_the_contract(finished):
    assert {path.name for path in finished.iterdir()} == CONTRACT
    summary = _summary(finished)
    assert summary["status"] == "finished"
    assert summary["particles"] == N and summary["gaussians"] == N_LARGE + N_SMALL
    assert summary["latent_dim"] == 2 and summary["contrast"] == "white"
    assert summary["epochs"] == len(_metrics(finished)) - 1
    weights = [ring["weight"] for ring in summary["rings"]]
    assert sum(weights) == pytest.approx(1.0, abs=1e-5)
    # rings of a box of 128 Å between 60 and 10 Å
    assert [round(128 / ring["resolution_A"]) for ring in summary["rings"]] == list(range(2, 13))


def test_run_json_tells_everything_that_went_in(finished, moving):
    content = json.loads((finished / "run.json").read_text())
    assert content["command"] == "heterogeneity"
    assert content["seed"] == 1 and content["device"] == "cpu" and content["threads"] == 1
    for name in ("latent_dim", "learning_rate", "latent_noise", "epochs", "smoothing_A", "vary"):
        assert name in content["config"]
    for name in ("gmmflex", "python", "torch", "numpy"):
        assert content["versions"][name]
    entries = {entry["path"]: entry for entry in content["inputs"]}
    star = moving / "set" / "particles.star"
    assert entries[str(star)]["bytes"] == star.stat().st_size
    assert entries[str(star)]["sha256"] == hashlib.sha256(star.read_bytes()).hexdigest()
    assert str(moving / "mixture.cif") in entries


def test_latents_star_is_the_input_with_latents(finished, moving):
    """Read by gemmi: every column and row of the input, in order, and the latents beside."""
    before, after = _star(moving / "set" / "particles.star"), _star(finished / "latents.star")
    assert after["optics"] == before["optics"]
    for tag, values in before["particles"].items():
        assert after["particles"][tag] == values
    added = set(after["particles"]) - set(before["particles"])
    assert added == {"_gmmflexLatent1", "_gmmflexLatent2", "_gmmflexJunkProbability"}
    written = np.array(
        [after["particles"][f"_gmmflexLatent{i}"] for i in (1, 2)], dtype=np.float64
    ).T
    # every image shows the molecule
    probability = np.array(after["particles"]["_gmmflexJunkProbability"], dtype=np.float64)
    assert probability.min() >= 0 and (probability > 0.5).sum() <= 0.005 * N
    latents = np.load(finished / "latents.npy")
    assert latents.shape == (N, 2) and latents.dtype == np.float32
    np.testing.assert_allclose(written, latents, atol=1e-5)


def test_density_is_highest_where_particles_are(finished):
    density = np.load(finished / "density.npy")
    assert density.shape == (N,) and density.min() > 0 and density.max() == pytest.approx(1)
    latents = np.load(finished / "latents.npy")
    distance = np.linalg.norm(latents[:, None] - latents[None], axis=-1)
    # The latent space has no fixed scale: neighbours are those within a tenth of its spread.
    nearby = (distance < 0.1 * latents.std(axis=0).max()).sum(1)
    assert spearmanr(density, nearby)[0] > 0.7


def test_weights_are_readable_without_gmmflex(finished, moving):
    tensors = load_file(finished / "weights.safetensors")
    middle = truth(moving)["state_coordinates_A"][4] - BOX // 2 * PIXEL_A
    np.testing.assert_allclose(tensors["neutral.positions_A"], middle, atol=1e-3)
    assert all(np.isfinite(values).all() for values in tensors.values())


@pytest.mark.parametrize("name", ["latents.png", "training.png"])
def test_pictures_show_something(name, finished):
    picture = imread(finished / name)
    assert min(picture.shape[:2]) > 400
    colours = np.unique(picture.reshape(-1, picture.shape[2]), axis=0)
    ink = (picture[..., :3].min(-1) < 0.9).mean()
    assert len(colours) > 100 and 0.003 < ink < 0.5


def test_progress_lines_tell_elapsed_and_remaining_time(finished, log):
    epochs = [line for line in log if line.startswith("epoch ")]
    assert len(epochs) == _summary(finished)["epochs"]
    for number, line in enumerate(epochs, start=1):
        assert line.startswith(f"epoch {number}/200  train 0.")
        assert "test 0." in line and "elapsed 0" in line and "remaining 0" in line


def test_a_finished_run_is_left_alone(finished, moving):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    lines = []
    run(moving, finished, lines, epochs=200)
    assert len(lines) == 1 and "finished already" in lines[0] and "--overwrite" in lines[0]
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


# --- what it may be asked for ------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_epochs(moving, tmp_path_factory):
    return run(moving, tmp_path_factory.mktemp("runs") / "two", epochs=2)


@pytest.mark.slow
def test_dark_particles_are_told_and_change_nothing(moving, two_epochs, tmp_path):
    dark = tmp_path / "set"
    dark.mkdir()
    (dark / "particles.star").write_bytes((moving / "set" / "particles.star").read_bytes())
    with (
        mrcfile.open(moving / "set" / "particles.mrcs") as white,
        mrcfile.new(dark / "particles.mrcs") as target,
    ):
        target.set_data(-white.data)
        target.set_image_stack()
        target.voxel_size = PIXEL_A
    lines = []
    folder = run(moving, tmp_path / "run", lines, epochs=2, particles=dark / "particles.star")
    assert any("particles are dark" in line for line in lines)
    assert _summary(folder)["contrast"] == "dark"
    np.testing.assert_array_equal(
        np.load(folder / "latents.npy"), np.load(two_epochs / "latents.npy")
    )


@pytest.mark.slow
def test_another_seed_gives_another_run(moving, two_epochs, tmp_path):
    other = run(moving, tmp_path / "run", epochs=2, seed=2)
    assert not np.array_equal(np.load(other / "latents.npy"), np.load(two_epochs / "latents.npy"))


@pytest.mark.slow
def test_mask_holds_the_rest(moving, tmp_path):
    """A mask, in a frame of its own, around the path of the small domain."""
    origin_A = np.array([-8.0, 4.0, 0.0])
    centre = truth(moving)["state_coordinates_A"][4][N_LARGE:].mean(0)
    axis = np.arange(48) * 3.0
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z], -1) + origin_A
    inside = np.linalg.norm(points - centre, axis=-1) < 10.0
    write_map(tmp_path / "mask.mrc", Map(inside.astype(np.float32), 3.0, origin_A))
    folder = run(moving, tmp_path / "run", epochs=2, mask=tmp_path / "mask.mrc")

    positions = truth(moving)["state_coordinates_A"][4]
    distance = np.linalg.norm(positions - centre, axis=1)
    decoded = read_run(folder).offsets(np.array([[2.0, -1.0]], np.float32)).positions_A[0].numpy()
    moved = np.abs(decoded).max(1) > 0
    assert not moved[distance > 12].any() and moved[distance < 8].all()
    assert _summary(folder)["gaussians_varying"] == moved.sum() >= N_SMALL * 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"latent_dim": 1, "vary": ("positions", "amplitudes", "widths")},
        {"latent_dim": 10, "vary": ("amplitudes",), "first_resolution_A": 25.0},
        {"memory_limit_GB": 1e-4, "smoothing_A": 0.0, "encoder_sites": 16, "batch_size": 200},
    ],
    ids=["one dimension", "amplitudes in two rounds", "images on disk"],
)
def test_other_settings_run_through(changed, moving, tmp_path):
    folder = run(moving, tmp_path / "run", epochs=1, **changed)
    summary = _summary(folder)
    assert summary["status"] == "finished"
    latents = np.load(folder / "latents.npy")
    assert latents.shape == (N, changed.get("latent_dim", 2)) and np.isfinite(latents).all()
    assert list(changed.get("vary", ("positions",))) == summary["vary"]
    # nothing of the images is left behind
    assert not (folder / "checkpoint" / "images.npy").exists()
    offsets = read_run(folder).offsets(latents[:3])
    assert (offsets.positions_A is None) == ("positions" not in summary["vary"])
    # what does not vary is the same for all particles: the refined mixture at rest
    for name in ("amplitudes", "widths"):
        differ = bool((getattr(offsets, name).std(0) > 1e-9).any())
        assert differ == (name in summary["vary"])


@pytest.mark.slow
def test_images_on_disk_or_in_memory_are_the_same(moving, two_epochs, tmp_path):
    folder = run(moving, tmp_path / "run", epochs=2, memory_limit_GB=1e-4)
    np.testing.assert_array_equal(
        np.load(folder / "latents.npy"), np.load(two_epochs / "latents.npy")
    )


@pytest.mark.slow
def test_neutral_score_is_that_of_the_neutral_mixture_in_every_round(moving, two_epochs, tmp_path):
    """Also when a coarse round has trained the networks before."""
    folder = run(moving, tmp_path / "run", epochs=6, first_resolution_A=20.0)
    assert _summary(folder)["test_score_neutral"] == pytest.approx(
        _summary(two_epochs)["test_score_neutral"], abs=1e-6
    )
    started = -float(_metrics(folder)[0]["test_loss"])
    assert started > _summary(folder)["test_score_neutral"] + 0.005
