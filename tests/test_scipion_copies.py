"""Symmetric copies of particles in Scipion: ids, poses and what they came from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipion_samples import PIXEL_SIZE_A, particle_set, simulated
from scipion_session import scipion

from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.io.star import read_star, write_star
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.stages.heterogeneity.output import write_latents

__all__ = ["scipion"]  # a fixture

pytestmark = pytest.mark.filterwarnings("ignore")

PARTICLES = 12
ORDER = 4  # of D2


@pytest.fixture(scope="module")
def expanded(scipion, tmp_path_factory):
    """A set with gaps in its ids, the engine's expanded table of it, and the filled output."""
    from pwem.objects import SetOfParticles, SetOfParticlesFlex

    from gmmflex.constants import PROGRAM_NAME
    from gmmflex.convert.latents import fill_flex_set, latents_by_id
    from gmmflex.convert.particles import read_particle_set, star_tables

    folder = tmp_path_factory.mktemp("copies")
    patch = pytest.MonkeyPatch()
    patch.chdir(simulated(folder, PARTICLES))
    whole = particle_set(folder / "whole.sqlite", folder / "simulated" / "particles.star")
    particles = SetOfParticles(filename=str(folder / "some.sqlite"))
    particles.copyInfo(whole)
    for particle in whole.iterItems():
        if particle.getObjId() % 3:
            particles.append(particle)
    particles.write()
    write_star(folder / "particles.star", star_tables(read_particle_set(particles)))
    given = read_particles(folder / "particles.star")
    latents = np.random.default_rng(1).normal(size=(len(given) * ORDER, 2)).astype(np.float32)
    junk = {"gmmflexJunkProbability": np.linspace(0, 1, len(given))}
    write_latents(folder, given, latents, symmetry_operators("D2"), junk)
    output = SetOfParticlesFlex(filename=str(folder / "flex.sqlite"), progName=PROGRAM_NAME)
    fill_flex_set(output, particles, latents_by_id(read_star(folder / "latents.star"), "latents"))
    output.write()
    yield particles, output, latents, given
    patch.undo()


def test_an_item_for_each_copy(expanded):
    particles, output, latents, _ = expanded
    ids = [particle.getObjId() for particle in particles.iterItems(orderBy="id")]
    assert ids == [1, 2, 4, 5, 7, 8, 10, 11]
    assert output.getSize() == len(ids) * ORDER
    found = []
    for item in output.iterItems(orderBy="id"):
        found.append((item._gmmflexParticleId.get(), item._gmmflexSymmetryCopy.get()))
        assert item.getObjId() == 11 + (found[-1][0] - 1) * ORDER + found[-1][1]
        row = (len(found) - 1) // ORDER * ORDER + found[-1][1] - 1
        assert item.getZFlex() == pytest.approx(latents[row].astype(float), abs=1e-6)
        assert item.getFlexInfo().getProgName() == "GMMFlex"
    assert found == [(number, copy) for number in ids for copy in range(1, ORDER + 1)]
    assert output.hasCTF() and output.hasAlignmentProj()


def test_every_copy_has_the_probability_of_its_particle(expanded):
    from gmmflex.convert.database_columns import ParticleColumns

    particles, output, _, _ = expanded
    ids = [particle.getObjId() for particle in particles.iterItems(orderBy="id")]
    expected = dict(zip(ids, np.linspace(0, 1, len(ids)), strict=True))
    of_items = {
        item.getObjId(): (item._gmmflexParticleId.get(), item._gmmflexJunkProbability.get())
        for item in output.iterItems()
    }
    for number, junk in of_items.values():
        assert junk == pytest.approx(expected[number], abs=1e-6)
    # what the window that explores latents offers as a colour
    columns = ParticleColumns(output.getFileName())
    assert "Probability of being junk" in columns.names
    assert columns.values("Probability of being junk").tolist() == [
        of_items[number][1] for number in columns.ids
    ]


def test_poses_are_those_of_the_copies(expanded):
    from scipy.spatial.transform import Rotation

    particles, output, _, _ = expanded
    before = {p.getObjId(): p.getTransform().getMatrix() for p in particles.iterItems()}
    places = {p.getObjId(): p.getLocation() for p in particles.iterItems()}
    two_fold = [[0, 0, 0], [0, 0, np.pi], [np.pi, 0, 0], [0, np.pi, 0]]
    seen = {number: [] for number in before}
    for item in output.iterItems():
        number = item._gmmflexParticleId.get()
        assert item.getLocation() == places[number]
        # Scipion's matrix takes image to map: A g becomes g⁻¹ A⁻¹, shifts and all
        turned = item.getTransform().getMatrix() @ np.linalg.inv(before[number])
        assert np.abs(turned[:3, 3]).max() < 1e-3
        seen[number].append(Rotation.from_matrix(turned[:3, :3]))
    for turns in seen.values():
        assert turns[0].magnitude() < 1e-5
        distance = [
            min((t.inv() * Rotation.from_rotvec(v)).magnitude() for t in turns) for v in two_fold
        ]
        assert max(distance) < 1e-5


def test_relions_reader_sees_the_same_copies(expanded, tmp_path):
    """latents.star, read as RELION's expanded particles by scipion-em-relion."""
    _, output, _, given = expanded
    script, star = Path(__file__).with_name("relion_converter.py"), given.source.parent
    # apart, because the reader leaves files open
    done = subprocess.run(
        [sys.executable, script, star / "latents.star", tmp_path / "out.star", tmp_path / "m.npz"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = np.load(tmp_path / "m.npz", allow_pickle=False)
    ours = np.array([p.getTransform().getMatrix() for p in output.iterItems(orderBy="id")])
    np.testing.assert_allclose(theirs["matrices"], ours, atol=2e-4)
    assert len(set(theirs["locations"])) == len(given)


def test_the_output_can_be_exported_again(expanded):
    from gmmflex.convert.particles import read_particle_set

    _, output, _, given = expanded
    columns = read_particle_set(output)
    rotations = np.swapaxes(columns.matrices[:, :3, :3], 1, 2).reshape(-1, ORDER, 3, 3)
    expected = given.rotations[:, None] @ symmetry_operators("D2")
    assert np.abs(rotations - expected).max() < 1e-5
    assert columns.pixel_size_A == pytest.approx(PIXEL_SIZE_A)
    assert len(np.unique(columns.ids)) == len(columns.ids) == len(given) * ORDER


def test_a_particle_without_latents_is_told(expanded):
    from gmmflex.convert.latents import BadLatents, Latents, fill_flex_set

    particles, output, _, _ = expanded
    only = Latents(np.array([1]), np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(BadLatents, match=r"Particle 2 has no latent"):
        fill_flex_set(type(output)(filename=":memory:", progName="GMMFlex"), particles, only)
