"""Particles, maps and models from their files."""

from __future__ import annotations

from pathlib import Path

from gmmflex.engine.io.maps import Map, read_map
from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.io.particles import Particles, read_particles


def load_particles(
    path: str | Path,
    passthrough: str | Path | None = None,
    image_root: str | Path | None = None,
) -> Particles:
    """Refined particles of a RELION star file or a cryoSPARC .cs file; images stay on disk.

    passthrough: the .cs file with the fields that `path` lacks. image_root: folder of the image
    stacks, where these are not where the file says.

    Raises UserError for anything that cannot be right.

    >>> particles = gmmflex.load_particles(made.folder / "particles.star")
    >>> len(particles), particles.box_px, particles.pixel_size_A
    (40, 24, 5.0)
    >>> particles.rotations.shape, particles.read_images([0, 1]).shape
    ((40, 3, 3), (2, 24, 24))
    """
    return read_particles(path, passthrough=passthrough, image_root=image_root)


def load_map(path: str | Path) -> Map:
    """A cubic density map (.mrc, .map, .ccp4; also compressed): `data` (M, M, M) in order z, y, x,
    `pixel_size_A`, and `origin_A` (3,) of its first voxel.

    Raises UserError if it is none.

    >>> density = gmmflex.load_map(made.folder / "consensus.mrc")
    >>> density.data.shape, density.pixel_size_A, density.origin_A.tolist()
    ((24, 24, 24), 5.0, [0.0, 0.0, 0.0])
    """
    return read_map(path)


def load_model(path: str | Path) -> AtomicModel:
    """The first model of a PDB or mmCIF file: `coordinates_A` (n, 3), `chains`, … (n,).

    Raises UserError if it is none.

    >>> model = gmmflex.load_model(made.folder / "model.cif")
    >>> model.coordinates_A.shape, sorted(set(model.chains.tolist()))
    ((140, 3), ['A', 'B'])
    """
    return read_model(path)
