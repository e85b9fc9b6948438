"""What the window that explores the latent space reads, draws and asks for."""

from __future__ import annotations

import shlex
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipion_samples import particle_set, simulated
from scipion_session import scipion
from scipy.stats import binned_statistic_2d

from gmmflex.engine.io.star import read_star
from gmmflex.particle_columns import VIEW_ROTATION, VIEW_TILT, ParticleColumns

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")
SEED = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data"), particles=20)


@pytest.fixture
def columns(scipion, data, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    particles = particle_set(tmp_path / "particles.sqlite", data / "particles.star")
    particles.write()
    particles.close()
    return ParticleColumns(str(tmp_path / "particles.sqlite"))


def _star(data, label):
    return np.array(read_star(data / "particles.star")["particles"].columns[label], dtype=float)


def test_columns_are_those_of_the_star_file(columns, data):
    assert columns.ids.tolist() == list(range(1, 21))
    assert columns.values("Defocus U (Å)") == pytest.approx(_star(data, "rlnDefocusU"))
    # RELION: an image looks along the direction of its first two Euler angles
    assert columns.values(VIEW_TILT) == pytest.approx(_star(data, "rlnAngleTilt"), abs=1e-3)
    apart = columns.values(VIEW_ROTATION) - _star(data, "rlnAngleRot")
    assert np.abs((apart + 180) % 360 - 180).max() < 1e-3
    # what is the same for all particles colours nothing
    assert "Sampling rate" not in columns.names and "Defocus angle (°)" in columns.names


def test_chosen_are_the_points_inside(scipion):
    from gmmflex.viewers.coloured_cloud import inside

    print("seed", SEED)
    x, y = np.random.default_rng(SEED).uniform(-2, 2, (2, 5000))
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    chosen = inside(x, y, np.c_[np.cos(turns), np.sin(turns)])
    distance = np.hypot(x, y)
    assert chosen[distance < 0.999].all() and not chosen[distance > 1].any()


def test_colours_of_many_particles_are_means_of_cells(scipion):
    from gmmflex.viewers.coloured_cloud import mean_in_cells

    x, y, values = np.random.default_rng(SEED).normal(size=(3, 2000))
    values[::7] = np.nan
    means, x_edges, y_edges = mean_in_cells(x, y, values, 12)
    known = np.isfinite(values)
    expected = binned_statistic_2d(
        x[known], y[known], values[known], bins=[x_edges, y_edges]
    ).statistic
    np.testing.assert_allclose(means.filled(np.nan), expected, rtol=1e-9)


def test_a_million_particles_are_coloured_and_chosen_in_seconds(scipion):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from gmmflex.viewers.coloured_cloud import draw_coloured, inside
    from gmmflex.viewers.plots import Axis

    x, y = np.random.default_rng(SEED).normal(size=(2, 1_000_000))
    started = time.perf_counter()
    figure = Figure(figsize=(7, 6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    draw_coloured(figure, Axis(x, "x"), Axis(y, "y"), Axis(x + y, "sum"))
    canvas.draw()
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    assert inside(x, y, corners).mean() == pytest.approx(0.6827**2, abs=0.003)
    assert time.perf_counter() - started < 10


def test_message_is_what_scipion_splits_it_into(scipion):
    from gmmflex.viewers.subset_message import subset_message

    words = shlex.split(subset_message(7, "Tmp/a b.txt", "SetOfParticlesFlex", 'it\'s = "odd"'))
    assert words[:3] == ["run", "protocol", "ProtUserSubSet"]
    values = dict(word.split("=") for word in words[3:])
    assert values["inputObject"] == "7" and values["sqliteFile"] == "Tmp/a b.txt,"
    assert values["label"].split() == ["it", "s", "odd"] and values["other"] == ""


def test_without_a_window_one_sentence(scipion, tmp_path):
    from gmmflex.viewers.subset_message import ask_for_subset

    closed = SimpleNamespace(port=None)
    for ids, match in ((np.arange(3), "not open"), (np.arange(0), "No particles")):
        with pytest.raises(ValueError, match=match):
            ask_for_subset(closed, None, ids, "some")
