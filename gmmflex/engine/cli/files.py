"""`gmmflex info` and `gmmflex convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import Device, ImageRoot, Passthrough, Threads
from gmmflex.engine.io.errors import UserError


def info(
    file: Annotated[
        Path | None, typer.Argument(help="A star, cs, map, stack, model or run folder.")
    ] = None,
    particles: Annotated[
        Path | None, typer.Option(help="The same as FILE: particles to compare with --map.")
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(help="Map or neutral mixture to compare the particles with."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Picture (PNG) of the agreement with --map.")
    ] = None,
    passthrough: Passthrough = None,
    image_root: ImageRoot = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Show what a file holds, with units, and what looks wrong; with --map, whether particles and
    map fit together and what is wrong if not."""
    from gmmflex.engine.stages.info.stage import describe

    if (file is None) == (particles is None):
        raise UserError("gmmflex info needs one file: give FILE or --particles, not both")
    if output is not None and map is None:
        raise UserError("--output is a picture of particles and map: give --map too")
    described = file if particles is None else particles
    assert described is not None
    typer.echo(str(describe(described, passthrough=passthrough, image_root=image_root)))
    if map is None:
        return
    from gmmflex.engine.stages.info.agreement import compare_files

    found = compare_files(
        described,
        map,
        passthrough=passthrough,
        image_root=image_root,
        device=device,
        threads=threads,
    )
    typer.echo(f"\n{found.description}")
    if output is not None:
        from gmmflex.engine.stages.info.agreement_picture import draw_agreement

        draw_agreement(output, found.agreement, found.verdict)


def convert(
    particles: Annotated[Path, typer.Argument(help="RELION star or cryoSPARC cs.")],
    output: Annotated[Path, typer.Option(help="Star file to write.")],
    passthrough: Passthrough = None,
    image_root: ImageRoot = None,
) -> None:
    """Write particles as a RELION 3.1 star file with absolute image paths."""
    from gmmflex.engine.stages.convert import convert_particles

    convert_particles(particles, output, passthrough, image_root)
