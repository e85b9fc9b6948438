"""Poses and shifts against scipion-em-relion's own converters, both ways.

The plugin keeps inv([A | -origin in pixels]) as the particle's matrix.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from io_samples import names_in, optics_columns, particle_columns, random_images, write_stack
from io_samples import relion31 as make_star
from landscape_run import landscape_without_pictures, run_with

from gmmflex.engine.io.particles import read_particles, write_particles_star
from gmmflex.engine.io.star import read_star
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.settings.select import SelectSettings
from gmmflex.engine.stages.info.stage import describe
from gmmflex.engine.stages.select.stage import run_select


def _convert(folder: Path, *stars: Path):
    """For each star what the plugin finds in it, and the star that the plugin writes."""
    home = folder / "scipion"
    home.mkdir(exist_ok=True)
    (home / "hosts.conf").write_text("[localhost]\nPARALLEL_COMMAND = mpirun -np %_(JOB_NODES)d\n")
    environment = {
        **os.environ,
        "SCIPION_HOME": str(home),
        "SCIPION_USER_DATA": str(home),
        "SCIPION_DOMAIN": "pwem",
        "SCIPION_HOSTS": str(home / "hosts.conf"),
        "SCIPION_PYTHON": sys.executable,
        "SCIPION_NOTIFY": "False",
    }
    files = [(home / f"{k}.star", home / f"{k}.npz") for k in range(len(stars))]
    arguments = [str(path) for star, own in zip(stars, files, strict=True) for path in (star, *own)]
    script = Path(__file__).with_name("relion_converter.py")
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = []
    for written, stored in files:
        with np.load(stored) as arrays:
            found.append((dict(arrays), written))
    return found


def _matrices(particles) -> np.ndarray:
    inverse = np.tile(np.eye(4), (len(particles), 1, 1))
    inverse[:, :3, :3] = particles.rotations
    inverse[:, :2, 3] = -particles.origins_A / particles.pixel_size_A
    return np.linalg.inv(inverse)


def test_both_ways(tmp_path):
    count = 40
    write_stack(tmp_path / "p.mrcs", random_images(count))
    columns = particle_columns(names_in("p.mrcs", count), seed=6)
    columns["rlnImageId"] = [2 * i + 1 for i in range(count)]  # ids of a subset have gaps
    columns["rlnAngleRot"][0] = 0.0
    columns["rlnAngleTilt"][1] = 0.0
    columns["rlnAngleTilt"][2] = 180.0
    star = make_star(tmp_path, particles=columns, optics=optics_columns(), stack=False)
    ours = read_particles(star)

    folder = tmp_path / "second"
    folder.mkdir()
    write_stack(folder / "p.mrcs", random_images(count))
    write_particles_star(folder / "latents.star", ours, {"gmmflexLatent1": np.arange(count)})

    # star -> Scipion: the plugin's matrices are ours
    both = _convert(tmp_path, star, folder / "latents.star")
    (theirs, written), (theirs_again, _) = both
    np.testing.assert_allclose(theirs["matrices"], _matrices(ours), atol=1e-9)
    assert theirs["locations"].tolist() == ours.image_names.tolist()
    assert float(theirs["pixel_size_A"]) == ours.pixel_size_A

    # Scipion -> star: what the plugin writes is read as the same particles
    again = read_particles(written)
    np.testing.assert_allclose(again.rotations, ours.rotations, atol=2e-7)
    np.testing.assert_allclose(again.origins_A, ours.origins_A, atol=2e-6)
    assert again.image_ids.tolist() == columns["rlnImageId"]
    assert again.image_names.tolist() == ours.image_names.tolist()

    # our star -> Scipion
    np.testing.assert_allclose(theirs_again["matrices"], theirs["matrices"], atol=1e-12)
    np.testing.assert_allclose(theirs_again["defocus"], theirs["defocus"])


def _run_of_two_optics_groups(folder: Path, operators):
    """A run whose latents are far apart for the first half of the images and the second."""
    count = 24
    write_stack(folder / "set" / "p.mrcs", random_images(count))
    columns = particle_columns(names_in("p.mrcs", count), seed=7)
    columns["rlnOpticsGroup"] = [1, 1, 2] * (count // 3)
    columns["rlnPhaseShift"] = np.round(np.linspace(0, 170, count), 3).tolist()
    tables = {"particles": columns, "optics": optics_columns(2), "stack": False}
    source = make_star(folder / "set", **tables)
    print("latents with seed 8")
    latents = np.random.default_rng(8).normal(size=(count, 2)) + [[-9.0, 0.0]]
    latents[count // 2 :, 0] += 18.0
    latents = np.repeat(latents, len(operators), axis=0).astype(np.float32)
    return run_with(folder, latents, operators, source=source), source


def _check_found(theirs: dict, path: Path, expected, rows) -> None:
    """What the plugin finds in a star: poses, shifts, CTF and optics of rows of the particles."""
    chosen = expected.subset(rows)
    ctf = chosen.ctf
    np.testing.assert_allclose(theirs["matrices"], _matrices(chosen), atol=2e-6)
    # pwem gives the larger defocus first; that is the same CTF, turned by 90 degrees.
    first = ctf.defocus_u_A >= ctf.defocus_v_A
    defocus = np.where(
        first, [ctf.defocus_u_A, ctf.defocus_v_A], [ctf.defocus_v_A, ctf.defocus_u_A]
    )
    angle = np.where(first, ctf.defocus_angle_deg, (ctf.defocus_angle_deg + 90) % 180)
    np.testing.assert_allclose(theirs["defocus"][:, :2].T, defocus)
    np.testing.assert_allclose(theirs["defocus"][:, 2:].T, [angle, ctf.phase_shift_deg], atol=1e-5)
    assert float(theirs["pixel_size_A"]) == chosen.pixel_size_A
    # The plugin knows one microscope for a set, that of the first group, and all groups as text.
    np.testing.assert_allclose(theirs["microscope"], [300, 2.7, 0.1])
    text = path.with_name("optics.star")
    text.write_text(str(theirs["optics"]))
    wanted = read_star(expected.source)["optics"].columns
    found = read_star(text)["optics"].columns
    for label, values in wanted.items():
        numbers = label != "rlnOpticsGroupName"
        kind = np.float64 if numbers else str
        assert (found[label].astype(kind) == values.astype(kind)).all(), label
    # gmmflex reads the same, the optics of each particle too.
    again = read_particles(path)
    np.testing.assert_allclose(again.rotations, chosen.rotations, atol=2e-6)
    np.testing.assert_array_equal(again.origins_A, chosen.origins_A)
    for name in vars(ctf):
        np.testing.assert_array_equal(getattr(again.ctf, name), getattr(ctf, name))
    np.testing.assert_array_equal(again.half_set, chosen.half_set)


def test_particles_that_are_selected_arrive_unchanged(tmp_path, monkeypatch):
    stars, expected = [], []
    for name, group in (("one", "C1"), ("three", "C3")):
        operators = symmetry_operators(group)
        run, source = _run_of_two_optics_groups(tmp_path / name, operators)
        particles, copies = read_particles(source), len(operators)
        n = len(particles)
        turned = (particles.rotations[:, None] @ operators).reshape(-1, 3, 3)
        rows = particles.subset(np.repeat(np.arange(n), copies))
        expanded = replace(rows, rotations=turned)
        chosen = {"source": run, "absolute": True, "where": ("gmmflexLatent1 > 0",)}
        second = np.arange(n * copies // 2, n * copies)
        output = tmp_path / name / "selected.star"
        run_select(SelectSettings(output=output, **chosen), log=lambda line: None)
        stars.append(output)
        expected.append((expanded, second))
    # The clusters of a landscape, whose images are named as in the input.
    latents = np.load(run / "latents.npy")
    folder = run.parent / "set" / "L"
    landscape_without_pictures(monkeypatch, latents, run=run, output=folder, clusters=2)
    stars.append(folder / "star" / "cluster_2.star")
    expected.append((expanded, second))
    once = tmp_path / "three" / "once.star"
    settings = SelectSettings(output=once, unexpanded=True, **chosen)
    run_select(settings, log=lambda line: None)
    stars.append(once)
    expected.append((particles, np.arange(n // 2, n)))
    found = _convert(tmp_path, *stars)
    for star, (theirs, _), (whole, rows) in zip(stars, found, expected, strict=True):
        print(star)
        _check_found(theirs, star, whole, rows)

    # What info says of all images is what it says of the input.
    everything = {**chosen, "where": ("gmmflexLatent1 > -99",), "unexpanded": True}
    output = tmp_path / "all.star"
    run_select(SelectSettings(output=output, **everything), log=lambda line: None)
    assert describe(output).rows == describe(source).rows
