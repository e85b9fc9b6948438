"""`gmmflex convert`: any particle file as one RELION 3.1 star with absolute image paths."""

from __future__ import annotations

from pathlib import Path

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.io.particles.relion_export import write_relion_star
from gmmflex.engine.machine.progress import Log, print_line


def convert_particles(
    source: Path,
    output: Path,
    passthrough: Path | None = None,
    image_root: Path | None = None,
    log: Log = print_line,
) -> None:
    """Read a star or cs file and write it in one layout; raises UserError and writes nothing."""
    if output.suffix.lower() != ".star":
        raise UserError(f"--output {output} does not end in .star: give the name of a star file")
    if output.resolve() == source.resolve():
        raise UserError(f"--output {output} is the file to be converted: give another name")
    particles = read_particles(source, passthrough=passthrough, image_root=image_root)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_relion_star(output, particles)
    log(f"{len(particles)} particles of {source} ({particles.format}) written to {output}")
