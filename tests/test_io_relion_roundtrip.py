"""Poses and shifts against scipion-em-relion's own converters, both ways.

The plugin keeps inv([A | -origin in pixels]) as the particle's matrix.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from io_samples import names_in, optics_columns, particle_columns, random_images, write_stack
from io_samples import relion31 as make_star

from gmmflex.engine.io.particles import read_particles, write_particles_star


def _convert(folder: Path, star: Path):
    """The plugin's matrices for a star, and the star that the plugin writes."""
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
    written, matrices = folder / "from_plugin.star", folder / "matrices.npz"
    script = Path(__file__).with_name("relion_converter.py")
    done = subprocess.run(
        [sys.executable, str(script), str(star), str(written), str(matrices)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(matrices) as stored:
        return dict(stored), written


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

    # star -> Scipion: the plugin's matrices are ours
    theirs, written = _convert(tmp_path, star)
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
    folder = tmp_path / "second"
    folder.mkdir()
    write_stack(folder / "p.mrcs", random_images(count))
    write_particles_star(folder / "latents.star", ours, {"gmmflexLatent1": np.arange(count)})
    theirs_again, _ = _convert(folder, folder / "latents.star")
    np.testing.assert_allclose(theirs_again["matrices"], theirs["matrices"], atol=1e-12)
    np.testing.assert_allclose(theirs_again["defocus"], theirs["defocus"])
