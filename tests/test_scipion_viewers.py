"""What the viewers read and draw; the windows themselves are opened in test_gui_windows.py."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from scipion_samples import particle_set, simulated
from scipion_session import scipion

from gmmflex.engine.io.mixture_file import write_mixture

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data"), particles=20)


def test_half_a_million_particles_are_drawn_in_seconds(scipion):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from gmmflex.viewers.plots import draw_latent_space, latent_axes

    rng = np.random.default_rng(1)
    t = rng.uniform(-1, 1, 500_000)
    latents = np.stack([3 * t, t**2], axis=1) + 0.1 * rng.normal(size=(len(t), 2))
    started = time.perf_counter()
    axes = latent_axes(latents, principal=True)
    figure = Figure(figsize=(7, 6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    draw_latent_space(figure, axes[0], axes[1], "Latent space")
    canvas.draw()
    assert time.perf_counter() - started < 10
    assert np.asarray(canvas.buffer_rgba())[..., :3].std() > 10
    # the first axis is the one the points were stretched along, whichever its sign
    assert abs(np.corrcoef(axes[0].values, t)[0, 1]) > 0.99


def test_density_colour_follows_the_true_density(scipion):
    from scipy.stats import gaussian_kde

    from gmmflex.viewers.plots import density_picture

    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(0, 1, (1500, 2)), rng.normal(4, 0.5, (1500, 2))])
    _, _, _, density = density_picture(points[:, 0], points[:, 1], 128)
    from scipy.stats import spearmanr

    assert spearmanr(density, gaussian_kde(points.T)(points.T)).correlation > 0.95


def test_latents_are_read_from_the_database(scipion, data, tmp_path, monkeypatch):
    from pwem.objects import SetOfParticlesFlex

    from gmmflex.latent_database import read_latents_of_set
    from gmmflex.latent_output import Latents, fill_flex_set
    from gmmflex.viewers.viewer_analysis import GmmflexParticlesViewer

    monkeypatch.chdir(data)
    particles = particle_set(tmp_path / "particles.sqlite", data / "particles.star")
    values = np.random.default_rng(4).normal(size=(20, 5))
    output = SetOfParticlesFlex(filename=str(tmp_path / "flex.sqlite"))
    ids = np.arange(20, 0, -1)  # not in the order of the rows
    fill_flex_set(output, particles, Latents(ids, values, values[:, :3]))
    output.write()
    assert read_latents_of_set(output.getFileName()) == pytest.approx(values[::-1])
    assert GmmflexParticlesViewer.can_handle_this_instance(output)
    output.getFlexInfo().setProgName("")  # as in subsets
    assert GmmflexParticlesViewer.can_handle_this_instance(output)
    output.getFlexInfo().setProgName("CryoDRGN")
    assert not GmmflexParticlesViewer.can_handle_this_instance(output)


def test_chimerax_script_names_both_files(scipion, tmp_path):
    from pyworkflow.viewer import MessageView

    from gmmflex.chimerax_script import mixture_script
    from gmmflex.viewers.chimerax import script_view

    mixture = tmp_path / "a b" / "neutral.cif"
    mixture.parent.mkdir()
    write_mixture(mixture, np.zeros((3, 3)), np.ones(3), np.array([1.0, 3.0, 4.5]))
    text = mixture_script(str(mixture), "map.mrc")
    assert f'open "{Path("map.mrc").absolute()}"' in text
    assert f'open "{mixture}"' in text
    assert "size #2 atomRadius 3.00" in text
    script = tmp_path / "extra" / "view.cxc"
    view = script_view(str(script), text)
    assert script.read_text() == text
    if isinstance(view, MessageView):  # no ChimeraX here
        assert str(script) in view.getMessage()


def test_summary_table_shows_units(scipion):
    from gmmflex.viewers.summary_view import summary_rows

    rows = dict(summary_rows({"pixel_size_A": 1.5, "box_px": 64, "fsc_mean": 0.98, "steps": [{}]}))
    assert rows == {"Pixel size (Å)": "1.5", "Box (px)": "64", "FSC mean": "0.98"}
