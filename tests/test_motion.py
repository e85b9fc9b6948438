"""Arrows, attributes and states for the viewers, from what the engine writes."""

from __future__ import annotations

import numpy as np
import pytest

from gmmflex.convert.database_latents import typical_latent
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.results.chimerax_script import arrows_script, trajectory_script
from gmmflex.results.displacements import chimerax_attributes, read_displacements
from gmmflex.results.motion import (
    Arrows,
    Motion,
    arrows_bild,
    read_motion,
    round_magnification,
    thinned,
)


def test_arrows_lead_from_the_low_to_the_high_end(tmp_path):
    rng = np.random.default_rng(1)
    positions_A = rng.normal(size=(5, 3))
    low_A, high_A = rng.normal(size=(2, 2, 5, 3))
    np.savez(
        tmp_path / "motion.npz",
        positions_A=positions_A,
        low_A=low_A,
        high_A=high_A,
        share=np.array([0.8, 0.2]),
    )
    arrows = read_motion(tmp_path / "motion.npz").arrows(2)
    assert arrows.starts_A == pytest.approx(positions_A + low_A[1])
    assert arrows.starts_A + arrows.vectors_A == pytest.approx(positions_A + high_A[1])


def test_magnified_arrows_keep_their_middles():
    motion = Motion(np.zeros((3, 3)), np.full((1, 3, 3), -1.0), np.ones((1, 3, 3)), np.ones(1))
    arrows = motion.arrows(1)
    larger = arrows.magnified(5)
    assert larger.starts_A + larger.vectors_A / 2 == pytest.approx(
        arrows.starts_A + arrows.vectors_A / 2
    )
    assert larger.lengths_A == pytest.approx(5 * arrows.lengths_A)


@pytest.mark.parametrize(("length_A", "factor"), [(40.0, 1), (9.0, 1), (5.0, 3), (0.01, 50)])
def test_short_arrows_are_magnified_by_a_round_number(length_A, factor):
    starts_A = np.array([[0.0, 0, 0], [100.0, 0, 0]])
    arrows = Arrows(starts_A, np.array([[0, length_A, 0], [0, 0, 0]]))
    assert round_magnification(arrows) == factor
    assert round_magnification(Arrows(starts_A, np.zeros((2, 3)))) == 1


def test_many_arrows_become_few_with_the_same_motion():
    rng = np.random.default_rng(2)
    starts_A = rng.uniform(0, 100, size=(20_000, 3))
    vectors_A = np.stack([np.full(20_000, 2.0), starts_A[:, 0] / 50, np.zeros(20_000)], axis=1)
    few = thinned(Arrows(starts_A, vectors_A), 400)
    assert 150 < len(few.starts_A) <= 400
    assert few.vectors_A[:, 0] == pytest.approx(2.0)
    # a mean over a cell is what the field is at the cell
    assert few.vectors_A[:, 1] == pytest.approx(few.starts_A[:, 0] / 50)
    assert thinned(few, 400) is few


def test_bild_holds_the_arrows_that_are_long_enough():
    arrows = Arrows(np.zeros((3, 3)), np.array([[0, 0, 0.1], [0, 2.0, 0], [4.0, 0, 0]]))
    lines = arrows_bild(arrows, 0.3).splitlines()
    drawn = [line.split() for line in lines if line.startswith(".arrow")]
    ends = [list(map(float, words[4:7])) for words in drawn]
    assert ends == [[0, 2, 0], [4, 0, 0]]
    assert sum(line.startswith(".color") for line in lines) == 2


def test_displacements_become_attributes(tmp_path):
    path = tmp_path / "displacements.csv"
    path.write_text(
        "chain,residue_number,insertion_code,residue_name,atoms,rms_displacement_A,"
        "maximum_displacement_A,spread_A\nA,-1,,GLY,4,0.5,0.9,0.4\n1,100,B,ALA,5,12.25,20.5,11\n"
    )
    table = read_displacements(str(path))
    assert table.chains.tolist() == ["A", "1"]
    assert table.largest_A.tolist() == [0.9, 20.5]
    text = chimerax_attributes(table, "#2")
    assert "recipient: residues\n" in text and "attribute: displacement\n" in text
    assert "\t#2/A:-1\t0.5000\n" in text and "\t#2/1:100B\t12.2500\n" in text


def test_scripts_name_their_files(tmp_path):
    mixture = tmp_path / "neutral.cif"
    write_mixture(mixture, np.zeros((3, 3)), np.ones(3), np.ones(3))
    text = trajectory_script("morph.cif", "a.defattr", "map.mrc")
    assert 'morph.cif" coordsets true' in text and "coordset slider #2" in text
    assert text.index("map.mrc") < text.index("morph.cif") < text.index("a.defattr")
    text = arrows_script("m.bild", str(mixture), "map.mrc")
    assert text.index("map.mrc") < text.index("neutral.cif") < text.index("m.bild")


def test_typical_latent_is_one_of_the_particles():
    angle = np.linspace(0, np.pi, 41)
    bent = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    chosen = typical_latent(bent)
    assert np.linalg.norm(chosen) == pytest.approx(1.0)  # on the band, where the mean is not
    assert chosen == pytest.approx([0, 1])
