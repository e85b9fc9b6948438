"""Particles between Scipion and star files, against scipion-em-relion's own converters."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipion_samples import BOX_PX, PIXEL_SIZE_A, simulated
from scipion_session import scipion

from gmmflex.engine.io.star import read_star, write_star

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("data"), particles=60)


@pytest.fixture(autouse=True)
def in_data_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def _read_with_relion(star):
    from pwem.constants import ALIGN_PROJ
    from pwem.objects import SetOfParticles
    from relion.convert.convert31 import Reader

    particles = SetOfParticles(filename=":memory:")
    Reader().readSetOfParticles(str(star), particles, alignType=ALIGN_PROJ)
    return particles


def _numbers(table, labels):
    return np.stack([table.columns[label].astype(float) for label in labels], axis=1)


POSE = (
    "rlnAngleRot",
    "rlnAngleTilt",
    "rlnAnglePsi",
    "rlnOriginXAngst",
    "rlnOriginYAngst",
)
CTF = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")


def test_writer_agrees_with_scipion_em_relion(scipion, folder, tmp_path):
    from pwem.constants import ALIGN_PROJ
    from relion.convert.convert31 import Writer

    from gmmflex.convert.particles import read_particle_set, star_tables

    particles = _read_with_relion(folder / "particles.star")
    write_star(tmp_path / "ours.star", star_tables(read_particle_set(particles)))
    Writer().writeSetOfParticles(particles, str(tmp_path / "theirs.star"), alignType=ALIGN_PROJ)
    ours = read_star(tmp_path / "ours.star")["particles"]
    theirs = read_star(tmp_path / "theirs.star")["particles"]
    given = read_star(folder / "particles.star")["particles"]
    assert len(ours) == len(theirs) == 60
    for labels in (POSE, CTF, ("rlnImageId",)):
        difference = np.abs(_numbers(ours, labels) - _numbers(theirs, labels))
        assert np.minimum(difference, np.abs(difference - 360)).max() < 1e-4, labels
    assert np.abs(_numbers(ours, CTF) - _numbers(given, CTF)).max() < 1e-2
    assert (ours.columns["rlnRandomSubset"] == given.columns["rlnRandomSubset"]).all()


def test_reader_agrees_with_scipion_em_relion(scipion, folder, tmp_path):
    from pwem.objects import SetOfParticles

    from gmmflex.convert.original_metadata import columns_from_star
    from gmmflex.convert.particles import fill_particle_set

    theirs = _read_with_relion(folder / "particles.star")
    ours = SetOfParticles(filename=":memory:")
    fill_particle_set(ours, columns_from_star(read_star(folder / "particles.star")))
    assert ours.getSize() == theirs.getSize() == 60
    assert ours.hasAlignmentProj() and ours.hasCTF()
    assert ours.getSamplingRate() == pytest.approx(PIXEL_SIZE_A)
    assert ours.getXDim() == BOX_PX
    mine = [p.clone() for p in ours.iterItems(orderBy="id")]
    other = [p.clone() for p in theirs.iterItems(orderBy="id")]
    for a, b in zip(mine, other, strict=True):
        matrices = a.getTransform().getMatrix(), b.getTransform().getMatrix()
        assert np.abs(matrices[0] - matrices[1]).max() < 1e-6
        assert a.getCTF().getDefocus() == pytest.approx(b.getCTF().getDefocus())
        assert a.getLocation() == b.getLocation()
        assert a.getAttributeValue("_rlnRandomSubset") == b.getAttributeValue("_rlnRandomSubset")


def test_optics_groups_survive_the_round_trip(scipion, folder, tmp_path):
    """Two groups with two voltages: kept by our reader and writer, and by Relion's writer."""
    from pwem.constants import ALIGN_PROJ
    from pwem.objects import SetOfParticles
    from relion.convert.convert31 import Writer

    from gmmflex.convert.original_metadata import columns_from_star
    from gmmflex.convert.particles import fill_particle_set, read_particle_set, star_tables

    given = read_star(folder / "particles.star")
    particles = SetOfParticles(filename=":memory:")
    fill_particle_set(particles, columns_from_star(given))
    write_star(tmp_path / "ours.star", star_tables(read_particle_set(particles)))
    Writer().writeSetOfParticles(particles, str(tmp_path / "theirs.star"), alignType=ALIGN_PROJ)
    optics = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    expected = _optics_of_rows(given, optics)
    assert len(np.unique(expected, axis=0)) == 2
    for name in ("ours.star", "theirs.star"):
        found = _optics_of_rows(read_star(tmp_path / name), optics)
        assert np.abs(found - expected).max() < 1e-4, name


def test_original_file_brings_back_what_the_relion_import_dropped(scipion, folder, tmp_path):
    from pwem.objects import SetOfParticles

    from gmmflex.convert.original_metadata import columns_from_star, rejoin
    from gmmflex.convert.particles import read_particle_set

    particles = _read_with_relion(folder / "particles.star")
    subset = SetOfParticles(filename=":memory:")
    subset.copyInfo(particles)
    for particle in particles.iterItems(orderBy="id", direction="DESC"):
        if particle.getObjId() % 2:
            subset.append(particle)
    columns = read_particle_set(subset)
    assert len(columns.optics.groups) == 1  # this is what was dropped
    original = columns_from_star(read_star(folder / "particles.star"))
    joined = rejoin(columns, original, "particles.star")
    assert (joined.ids == columns.ids).all()
    rows = joined.ids - 1
    groups = [joined.optics.groups[number - 1] for number in joined.optics_group]
    expected = [original.optics.groups[number - 1] for number in original.optics_group[rows]]
    assert groups == expected and len(set(groups)) == 2
    assert np.abs(joined.defocus - original.defocus[rows]).max() == 0
    assert (joined.half_set == original.half_set[rows]).all()


def test_original_file_of_other_particles_is_refused(scipion, folder):
    from dataclasses import replace

    from gmmflex.convert.original_metadata import NoSuchParticles, columns_from_star, rejoin
    from gmmflex.convert.particles import read_particle_set

    columns = read_particle_set(_read_with_relion(folder / "particles.star"))
    original = columns_from_star(read_star(folder / "particles.star"))
    shorter = replace(original, slice_numbers=original.slice_numbers + 1000)
    with pytest.raises(NoSuchParticles, match=r"60 of 60 particles are not in other\.star"):
        rejoin(columns, shorter, "other.star")


def test_links_and_copies_of_stacks_are_recognised(scipion, folder, tmp_path):
    from dataclasses import replace

    from gmmflex.convert.original_metadata import columns_from_star, rejoin
    from gmmflex.convert.particles import read_particle_set

    columns = read_particle_set(_read_with_relion(folder / "particles.star"))
    original = columns_from_star(read_star(folder / "particles.star"))
    link = tmp_path / "another_name.mrcs"
    os.symlink(folder / "particles.mrcs", link)
    copy = tmp_path / "copied" / "particles.mrcs"
    for stack in (link, copy):
        moved = replace(columns, stack_names=np.full(60, str(stack), dtype=object))
        assert (rejoin(moved, original, "x").optics_group == original.optics_group).all()


def _optics_of_rows(tables, labels):
    optics = tables["optics"]
    group = tables["particles"].columns["rlnOpticsGroup"].astype(float).astype(int).tolist()
    numbers = optics.columns["rlnOpticsGroup"].astype(float).astype(int).tolist()
    values = _numbers(optics, labels)
    return values[[numbers.index(number) for number in group]]
