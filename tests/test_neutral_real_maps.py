"""`gmmflex neutral` on a real map (EMD-1080, GroEL at 11.5 Å), coarse so that it is quick."""

import json
import time

import gemmi
import mrcfile
import numpy as np
import pytest
from textbook import ring_correlation

from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.stage import run_neutral

pytestmark = pytest.mark.slow

RESOLUTION_A = 20.0


@pytest.fixture(scope="module")
def groel(test_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("groel") / "run"
    path = test_data / "maps" / "groel-11.5A.mrc"
    start = time.process_time()
    run_neutral(
        NeutralSettings(
            output=folder, map=path, resolution_A=RESOLUTION_A, threads=1, device="cpu"
        ),
        log=lambda _: None,
    )
    return path, folder, time.process_time() - start


def test_the_mixture_shows_the_map(groel):
    path, folder, _ = groel
    with mrcfile.open(path) as theirs, mrcfile.open(folder / "neutral.mrc") as ours:
        shell = int(theirs.data.shape[0] * float(theirs.voxel_size.x) / RESOLUTION_A)
        curve = ring_correlation(ours.data, theirs.data)[:shell]
        start = [theirs.header[f"n{axis}start"] for axis in "xyz"]
        expected = np.array(start) * float(theirs.voxel_size.x)
        # nstart −50 is where ChimeraX places the map; ours lies there too
        np.testing.assert_allclose(ours.header.origin.tolist(), expected, atol=1e-3)
    assert curve.mean() >= 0.95 and curve.min() >= 0.9
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["fsc_mean"] >= 0.95
    assert summary["fsc_unmasked_mean"] == pytest.approx(curve.mean(), abs=5e-3)


def test_gaussians_lie_in_the_density(groel):
    path, folder, _ = groel
    model = gemmi.read_structure(str(folder / "neutral.cif"))[0]
    positions = np.array([a.pos.tolist() for chain in model for r in chain for a in r])
    with mrcfile.open(path) as theirs:
        data, pixel = theirs.data, float(theirs.voxel_size.x)
        start = np.array([theirs.header[f"n{axis}start"] for axis in "xyz"])
    index = np.round(positions / pixel - start).astype(int)
    values = data[index[:, 2], index[:, 1], index[:, 0]]
    assert np.median(values) > data.mean() + 2 * data.std()
    assert (values > data.mean()).mean() > 0.95
    # D7: nobody told the program, and yet the middle is the middle
    np.testing.assert_allclose(positions.mean(0), 0, atol=4.0)


def test_it_takes_seconds(groel):
    assert groel[2] < 30  # CPU seconds; about 8 on a quiet core, with room for a slow one
