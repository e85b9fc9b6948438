"""What the window that explores the latent space reads, draws and asks for."""

from __future__ import annotations

import shlex
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipion_samples import PIXEL_SIZE_A, particle_set, simulated
from scipion_session import scipion
from scipy.spatial import cKDTree
from scipy.stats import binned_statistic_2d

from gmmflex.convert.database_columns import VIEW_ROTATION, VIEW_TILT, ParticleColumns
from gmmflex.engine.io.star import StarTable, read_star, write_star
from gmmflex.results.nearest_points import AxesFrame, along_path, nearest_on_screen, nearest_rows

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
    third = columns.of_particle(3)
    assert third["Defocus U (Å)"] == pytest.approx(_star(data, "rlnDefocusU")[2])
    assert third["Sampling rate"] == PIXEL_SIZE_A


def test_chosen_are_the_points_inside(scipion):
    from gmmflex.viewers.explorer.coloured_cloud import inside

    print("seed", SEED)
    x, y = np.random.default_rng(SEED).uniform(-2, 2, (2, 5000))
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    chosen = inside(x, y, np.c_[np.cos(turns), np.sin(turns)])
    distance = np.hypot(x, y)
    assert chosen[distance < 0.999].all() and not chosen[distance > 1].any()


def test_colours_of_many_particles_are_means_of_cells(scipion):
    from gmmflex.viewers.explorer.coloured_cloud import mean_in_cells

    x, y, values = np.random.default_rng(SEED).normal(size=(3, 2000))
    values[::7] = np.nan
    means, x_edges, y_edges = mean_in_cells(x, y, values, 12)
    known = np.isfinite(values)
    expected = binned_statistic_2d(
        x[known], y[known], values[known], bins=[x_edges, y_edges]
    ).statistic
    np.testing.assert_allclose(means.filled(np.nan), expected, rtol=1e-9)


def test_classes_keep_their_colours_in_cells(scipion):
    from matplotlib.figure import Figure

    from gmmflex.viewers.explorer.coloured_cloud import draw_coloured, most_in_cells
    from gmmflex.viewers.views.plots import Axis

    random = np.random.default_rng(SEED)
    x, y = random.normal(size=(2, 30_000))
    groups = random.choice([1.0, 2.0, 4.0], len(x), p=[0.5, 0.3, 0.2])
    groups[::50] = np.nan
    cells, x_edges, y_edges = most_in_cells(x, y, groups, 12)
    known = np.isfinite(groups)
    expected = binned_statistic_2d(
        x[known],
        y[known],
        groups[known],
        statistic=lambda values: np.bincount(values.astype(int), minlength=5).argmax(),
        bins=[x_edges, y_edges],
    ).statistic
    np.testing.assert_array_equal(cells.filled(0), np.nan_to_num(expected))
    figure = Figure()
    draw_coloured(figure, Axis(x, "x"), Axis(y, "y"), Axis(groups, "group"))
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == ["1", "2", "4"]
    figure = Figure()
    draw_coloured(figure, Axis(x, "x"), Axis(y, "y"), Axis(groups + 0.5, "no classes"))
    assert len(figure.axes[1].get_yticklabels()) > 3


def test_nearest_particles_are_those_of_a_tree():
    points = np.random.default_rng(SEED).normal(size=(4000, 4))
    _, expected = cKDTree(points).query(points[7], 30)
    assert nearest_rows(points, points[7], 30).tolist() == expected.tolist()
    assert nearest_rows(points[:5], points[7], 30).shape == (5,)
    scale = (100.0, 20.0)
    away, row = cKDTree(points[:, :2] * scale).query(np.array([0.3, 0.2]) * scale)
    found = nearest_on_screen(points[:, 0], points[:, 1], (0.3, 0.2), scale)
    assert found == (row, pytest.approx(away))


def test_ways_lie_where_particles_of_the_same_latents_are(scipion):
    from gmmflex.viewers.views.plots import latent_axes

    latents = np.random.default_rng(SEED).normal(size=(500, 3)) * [1.0, 3.0, 0.5] + 4.0
    axes = latent_axes(latents, True) + latent_axes(latents, False)
    drawn = np.stack([axis.values for axis in axes], axis=1)
    assert AxesFrame.of(latents).places(latents[:9]) == pytest.approx(drawn[:9])
    assert along_path(latents[:4], 2.25) == pytest.approx(0.75 * latents[2] + 0.25 * latents[3])
    assert along_path(latents[:4], 3.0) == pytest.approx(latents[3])


def test_what_a_landscape_says_is_joined_by_id(tmp_path):
    ids = np.array([9, 2, 5, 4])
    labels = ("rlnImageId", "gmmflexCluster", "gmmflexFreeEnergy", "gmmflexReliability")
    table = dict(zip(labels, (ids, ids % 3, ids / 10, ids / 20), strict=True))
    write_star(tmp_path / "landscape.star", [StarTable("particles", table)])
    from gmmflex.convert.landscape_columns import LandscapeColumns

    columns = LandscapeColumns(str(tmp_path), np.array([2, 4, 6, 9]), ", landscape 8")
    assert columns.names[0] == "Group, landscape 8"
    np.testing.assert_allclose(columns.values(columns.names[0]), [2, 1, np.nan, 0])
    np.testing.assert_allclose(columns.values(columns.names[2]), [0.1, 0.2, np.nan, 0.45])


def test_marks_move_over_the_cloud_and_leave_no_trace(scipion):
    """Pictures of the canvas: without a mark, with one, with it elsewhere, and without again."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from gmmflex.viewers.explorer.cloud_overlay import CloudOverlay

    figure = Figure(figsize=(3, 3), dpi=50)
    canvas = FigureCanvasAgg(figure)
    panel = figure.add_subplot()
    panel.plot(*np.random.default_rng(SEED).uniform(size=(2, 200)), ".")
    overlay = CloudOverlay(canvas, panel)
    overlay.put("state", [0.5], [0.5])  # before there is a cloud
    canvas.draw()
    shown = []
    for places in ([0.5], [0.8], []):
        overlay.put("state", places, places)
        shown.append(np.array(canvas.buffer_rgba()))
    with_middle, with_corner, without = shown
    changed = np.abs(with_middle.astype(int) - without).sum(axis=2) > 0
    rows, columns = np.nonzero(changed)
    x, y = panel.transData.transform((0.5, 0.5))
    assert np.abs(columns - x).max() < 10 and np.abs(changed.shape[0] - rows - y).max() < 10
    assert not (changed & (np.abs(with_corner.astype(int) - without).sum(axis=2) > 0)).any()
    assert panel.get_xlim()[1] < 1.1  # marks do not move the axes


def test_the_engine_at_work_says_how_far_it_is_and_why_it_failed(scipion, tmp_path):
    from gmmflex.viewers.explorer.engine_background import EngineRun

    failing = EngineRun("info", ["nowhere.star"], str(tmp_path))
    while failing.running:
        time.sleep(0.05)
    assert "nowhere.star" in failing.fault and "error:" not in failing.fault
    stopped = EngineRun("info", ["nowhere.star"], str(tmp_path))
    stopped.stop()
    assert not stopped.running


def test_a_million_particles_are_coloured_and_chosen_in_seconds(scipion):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from gmmflex.viewers.explorer.coloured_cloud import draw_coloured, inside
    from gmmflex.viewers.views.plots import Axis

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
    from gmmflex.viewers.explorer.subset_message import subset_message

    words = shlex.split(subset_message(7, "Tmp/a b.txt", "SetOfParticlesFlex", 'it\'s = "odd"'))
    assert words[:3] == ["run", "protocol", "ProtUserSubSet"]
    values = dict(word.split("=") for word in words[3:])
    assert values["inputObject"] == "7" and values["sqliteFile"] == "Tmp/a b.txt,"
    assert values["label"].split() == ["it", "s", "odd"] and values["other"] == ""


def test_without_a_window_one_sentence(scipion, tmp_path):
    from gmmflex.viewers.explorer.subset_message import ask_for_subset

    closed = SimpleNamespace(port=None)
    for ids, match in ((np.arange(3), "not open"), (np.arange(0), "No particles")):
        with pytest.raises(ValueError, match=match):
            ask_for_subset(closed, None, ids, "some")
