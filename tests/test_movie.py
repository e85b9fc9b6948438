"""`gmmflex movie` on arms whose motion is known: files as other programs read them."""

import re
import subprocess
import sys

import imageio_ffmpeg
import mrcfile
import numpy as np
import pytest
from landscape_run import results_of_arms, run_with, summary_of
from PIL import Image
from two_arms import LEFT, model_at_rest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import read_states, write_models
from gmmflex.engine.settings.movie import MovieSettings
from gmmflex.engine.stages.movie import stage
from gmmflex.engine.stages.movie.files import in_order
from gmmflex.engine.stages.movie.stage import run_movie

# The left arm slides along x by 16 Å, the other stays.
SLIDES_A = np.stack([np.linspace(-8, 8, 4), np.zeros(4)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose decoder is the exact one."""
    folder = tmp_path_factory.mktemp("movie")
    random = np.random.default_rng(1)
    results = results_of_arms(random.uniform(-8, 8, (40, 2)))
    path = run_with(folder, results.latents)
    (path / "weights.safetensors").write_bytes(b"read_run is replaced")
    np.save(folder / "slides.npy", SLIDES_A)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "read_run", lambda given: results)
        yield path


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """A finished movie with a model of the Gaussians' own places."""
    output = tmp_path_factory.mktemp("made") / "movie"
    atoms = model_at_rest()
    atoms = atoms.with_coordinates(atoms.coordinates_A + 64.0)
    write_models(run.parent / "model.cif", [atoms])
    latents, model = run.parent / "slides.npy", run.parent / "model.cif"
    run_movie(MovieSettings(run=run, output=output, latents=latents, model=model))
    return output


def _mean_x_A(path) -> float:
    """Mean x of the density of a map in the frame that ChimeraX shows it in."""
    with mrcfile.open(path) as file:
        along_x = file.data.astype(np.float64).sum(axis=(0, 1))
        voxels = np.arange(len(along_x)) * float(file.voxel_size.x)
        return float((along_x * voxels).sum() / along_x.sum()) + float(file.header.origin.x)


def test_maps_are_those_of_the_states(made):
    found_A = np.array([_mean_x_A(made / f"state_{k}.mrc") for k in ("001", "002", "003", "004")])
    # A quarter of the mass slides.
    share = (LEFT.stop - LEFT.start) / 200
    np.testing.assert_allclose(np.diff(found_A), share * np.diff(SLIDES_A[:, 0]), atol=0.02)
    atoms = read_states(made / "state_001.cif")[0]
    np.testing.assert_allclose(found_A[0], atoms.coordinates_A[:, 0].mean(), atol=0.3)


def test_the_movie_goes_there_and_back_and_shows_motion_where_it_is(made):
    with Image.open(made / "movie.gif") as movie:
        assert movie.n_frames == 4 + 2
        assert movie.info["loop"] == 0
        assert movie.info["duration"] in (120, 130)  # 8 states in a second
        shown = []
        for k in range(movie.n_frames):
            movie.seek(k)
            shown.append(np.asarray(movie.convert("RGB"), dtype=int)[:380, :380])
    # The way back shows the same states.
    np.testing.assert_array_equal(shown[2], shown[4])
    reddish = [int((frame[..., 0] - frame[..., 2] > 60).sum()) for frame in shown[:4]]
    assert reddish[0] == 0
    assert reddish[3] > 500
    # The left arm is above the core, y is upwards, and nothing but it moves.
    rows = np.nonzero(shown[3][..., 0] - shown[3][..., 2] > 60)[0]
    assert rows.max() < 190


def test_mp4_is_what_ffmpeg_reads(made):
    frames = imageio_ffmpeg.read_frames(str(made / "movie.mp4"))
    about = next(frames)
    with Image.open(made / "movie.gif") as movie:
        assert about["size"] == movie.size
    assert about["codec"] == "h264"
    assert about["duration"] >= 8.0
    frames.close()


def test_chimerax_script_opens_files_that_are_there_and_slides_through_all(made):
    text = (made / "movie.cxc").read_text()
    opened = re.findall(r'open "(.+)"', text)
    assert len(opened) == 8
    assert all((made / name).is_file() for name in opened)
    assert text.strip().endswith("mseries slider #1-4")
    assert summary_of(made)["most_displacement_A"] == pytest.approx(16.0, abs=0.1)


def test_a_circle_is_not_gone_back():
    assert in_order(4, closed=True) == [0, 1, 2, 3]
    assert in_order(4, closed=False) == [0, 1, 2, 3, 2, 1]
    assert in_order(2, closed=False) == [0, 1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"component": 1}, r"--component and --latents exclude each other"),
        ({"latents": "one.npy"}, r"one\.npy holds 1 states: a movie needs 2 to 500"),
        ({"latents": "absent.npy"}, r"--latents .*absent\.npy does not exist"),
    ],
)
def test_refusals(run, tmp_path, changed, message):
    np.save(tmp_path / "one.npy", SLIDES_A[:1])
    given = {"latents": run.parent / "slides.npy", **changed}
    if isinstance(given["latents"], str):
        given["latents"] = tmp_path / given["latents"]
    with pytest.raises(UserError, match=message):
        run_movie(MovieSettings(run=run, output=tmp_path / "movie", **given))
    assert not (tmp_path / "movie").exists()


def test_help_says_what_it_makes():
    told = subprocess.run(
        [sys.executable, "-m", "gmmflex", "movie", "--help"], capture_output=True, text=True
    )
    assert told.returncode == 0
    assert "GIF" in told.stdout
