"""What the viewers read and draw; the windows themselves are opened in test_gui_windows.py."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from scipion_samples import particle_set, simulated
from scipion_session import scipion

from gmmflex.engine.io.models.mixture_file import write_mixture

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data"), particles=20)


def test_half_a_million_particles_are_drawn_in_seconds(scipion):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from gmmflex.viewers.views.plots import draw_latent_space, latent_axes

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

    from gmmflex.viewers.views.plots import density_picture

    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(0, 1, (1500, 2)), rng.normal(4, 0.5, (1500, 2))])
    _, _, _, density = density_picture(points[:, 0], points[:, 1], 128)
    from scipy.stats import spearmanr

    assert spearmanr(density, gaussian_kde(points.T)(points.T)).correlation > 0.95


def test_latents_are_read_from_the_database(scipion, data, tmp_path, monkeypatch):
    from pwem.objects import SetOfParticlesFlex

    from gmmflex.convert.database_latents import read_latents_of_set
    from gmmflex.convert.latents import Latents, fill_flex_set
    from gmmflex.viewers.latent_views import GmmflexParticlesViewer

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

    from gmmflex.results.chimerax_script import mixture_script
    from gmmflex.viewers.views.chimerax import script_view

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
    from gmmflex.viewers.views.summary_view import summary_rows

    rows = dict(summary_rows({"pixel_size_A": 1.5, "box_px": 64, "fsc_mean": 0.98, "steps": [{}]}))
    assert rows == {"Pixel size (Å)": "1.5", "Box (px)": "64", "FSC mean": "0.98"}


def test_training_of_several_rounds_is_one_picture(scipion):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from gmmflex.viewers.views.training_plot import draw_training

    metrics = {
        "round": np.repeat([1.0, 2.0], [3, 4]),
        "epoch": np.array([0.0, 1, 2, 0, 1, 2, 3]),
        "train_loss": -np.linspace(0.5, 0.6, 7),
        "test_loss": -np.linspace(0.5, 0.55, 7),
        "learning_rate": np.full(7, 1e-3),
        "bond_deviation_A": np.array([np.nan, 0.2, 0.1, np.nan, 0.1, 0.09, 0.08]),
    }
    figure = Figure()
    FigureCanvasAgg(figure)
    draw_training(figure, metrics)
    top, bonds, rate = figure.axes
    lines = [line for line in top.lines if len(line.get_xdata()) > 2]
    assert [line.get_xdata().tolist() for line in lines[:2]] == [[0, 1, 2], [2, 3, 4, 5]]
    assert {text.get_text() for text in top.texts} == {"round 1", "round 2"}
    assert "Å" in bonds.get_ylabel() and rate.get_ylabel() == "Learning rate"

    without = {**metrics, "bond_deviation_A": np.full(7, np.nan)}
    figure = Figure()
    draw_training(figure, without)
    assert len(figure.axes) == 2


def test_table_of_bodies_has_a_column_for_each(scipion, tmp_path):
    from gmmflex.viewers.views.body_views import body_rows, read_body_motions

    body = {
        "gaussians": 30,
        "centre_A": [1.0, -2.0, 3.0],
        "axis": [0.0, 0.0, 1.0],
        "axis_share": 0.9,
        "turn_range_deg": [-12.0, 3.0],
        "from_mean_angle_deg": {"from": 1.0, "to": 9.0},
        "from_mean_shift_A": {"from": 0.1, "to": 2.0},
        "displacement_rms_A": 1.5,
        "precision_angle_deg": 0.5,
        "precision_shift_A": 0.25,
        "not_rigid_A": 0.0,
    }
    rows = body_rows([body, {**body, "gaussians": 12}])
    assert ("Gaussians", "30", "12") in rows
    assert rows[4][1] == "−12.0 to 3.0°"
    untold = dict(body_rows([{**body, "precision_angle_deg": None, "precision_shift_A": None}]))
    assert untold["Precision of an angle"] == untold["Precision of a shift"] == "not known"

    path = tmp_path / "body_motions.csv"
    path.write_text("row,body,turn_deg\n1,a,1.5\n2,a,2.5\n1,b,3.5\n2,b,4.5\n")
    turns = read_body_motions(str(path), ["a", "b"], "turn_deg")
    assert turns.tolist() == [[1.5, 2.5], [3.5, 4.5]]


def test_coordination_names_what_is_beyond_chance(scipion):
    from matplotlib.figure import Figure

    from gmmflex.viewers.views.coordination_views import draw_coordination

    table = {
        "first": np.array(["a", "a", "b", "a"], dtype=object),
        "second": np.array(["b", "c", "c", "d"], dtype=object),
        "correlation": np.array([0.7, 0.05, np.nan, 0.05]),
        "standard_error": np.array([0.05, 0.05, np.nan, 0.05]),
        "p_value": np.array([0.0005, 0.4, 0.5, 0.001]),
        "null_from": np.full(4, -0.1),
        "null_to": np.full(4, 0.1),
        "particles": np.full(4, 2000.0),
    }
    figure = Figure()
    draw_coordination(figure, table)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "a and b\ncoordinated, p = 0.0005"
    assert labels[1].startswith("a and c\nnot distinguished from chance")
    assert labels[2] == "b and c\nno motion above noise"
    assert labels[3] == "a and d\nrelated beyond their main motions, p = 0.001"

    # the table has no row where fewer than two regions move
    figure = Figure()
    draw_coordination(figure, {name: values[:0] for name, values in table.items()})
    assert not figure.axes and "nothing to compare" in figure.get_suptitle()


def test_displacements_of_residues_atoms_and_chains(scipion, tmp_path):
    from matplotlib.figure import Figure

    from gmmflex.viewers.views.displacement_views import (
        ATOMS,
        CHAINS,
        RESIDUES,
        displacement_table_view,
        draw_chains,
    )
    from gmmflex.viewers.views.run_files import read_rows

    residue, moved = "chain,residue_number,insertion_code,residue_name", "_displacement_A,"
    columns = f"rms{moved}maximum{moved}spread_A\n"
    for name, text in (
        ("displacements.csv", f"{residue},atoms,{columns}1,5,B,LEU,2,1,2,0.5\n1,6,,ALA,1,3,4,1\n"),
        (
            "displacements_by_atom.csv",
            f"{residue},atom_name,element,{columns}1,5,B,LEU,CA,C,1,2,0.5\n",
        ),
        ("displacements_by_chain.csv", f"chain,residues,atoms,{columns}1,2,3,2,4,0.5\n"),
    ):
        (tmp_path / name).write_text(text)
    shown = [displacement_table_view(str(tmp_path), kind) for kind in (RESIDUES, ATOMS, CHAINS)]
    most_first = [("1 ALA 6", "3.00", "4.00", "1.00"), ("1 LEU 5B", "1.00", "2.00", "0.50")]
    assert shown[0]._rows == most_first
    assert shown[1]._rows == [("1 LEU 5B CA", "1.00", "2.00", "0.50")]
    assert shown[2]._rows == [("1", "2.00", "4.00", "0.50")]

    figure = Figure()
    draw_chains(figure, read_rows(str(tmp_path / "displacements_by_chain.csv")), "chains")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [2.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1"]


def test_a_summary_leaves_out_what_was_not_counted(scipion):
    from gmmflex.protocols.steps.analysis_texts import summary_lines

    body = {"name": "lid", "turn_range_deg": [-2.0, 3.0], "displacement_rms_A": 1.5}
    untold = {**body, "precision_angle_deg": None}
    summary = {"particles": 9, "latent_dim": 2, "gaussians": 5, "bodies": [untold]}
    for bonds, said in ((None, False), ({"deviation_A": None}, False), ({"deviation_A": 1}, True)):
        lines = "\n".join(summary_lines({**summary, "bonds": bonds}, "their positions"))
        assert ("Neighbouring Cα" in lines) == said
        assert "Body *lid*: 90 % of particles turn by −2.0 to 3.0° about its main axis; " in lines
