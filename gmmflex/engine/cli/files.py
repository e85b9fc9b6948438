"""`gmmflex info` and `gmmflex convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import ImageRoot, Passthrough


def info(
    file: Annotated[Path, typer.Argument(help="A star, cs, map, stack, model or run folder.")],
    passthrough: Passthrough = None,
    image_root: ImageRoot = None,
) -> None:
    """Show what a file holds, with units, and what looks wrong."""
    from gmmflex.engine.stages.info import describe

    typer.echo(str(describe(file, passthrough=passthrough, image_root=image_root)))


def convert(
    particles: Annotated[Path, typer.Argument(help="RELION star or cryoSPARC cs.")],
    output: Annotated[Path, typer.Option(help="Star file to write.")],
    passthrough: Passthrough = None,
    image_root: ImageRoot = None,
) -> None:
    """Write particles as a RELION 3.1 star file with absolute image paths."""
    from gmmflex.engine.stages.convert import convert_particles

    convert_particles(particles, output, passthrough, image_root)
