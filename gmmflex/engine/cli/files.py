"""`gmmflex info` and `gmmflex convert`."""

from __future__ import annotations

import typer

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.settings.files import ConvertSettings, InfoSettings


@from_settings
def info(settings: InfoSettings) -> None:
    """Print what a file holds and, with a map, how well particles fit it.

    Raises UserError if no file, or two, are named.
    """
    from gmmflex.engine.stages.info.stage import describe

    described = settings.file or settings.particles
    if described is None or (settings.file and settings.particles):
        raise UserError("gmmflex info needs one file: give FILE or --particles, not both")
    if settings.output is not None and settings.map is None:
        raise UserError("--output is a picture of particles and map: give --map too")
    where = {"passthrough": settings.passthrough, "image_root": settings.image_root}
    typer.echo(str(describe(described, **where)))
    if settings.map is None:
        return
    from gmmflex.engine.stages.info.agreement import compare_files

    found = compare_files(
        described, settings.map, **where, device=settings.device, threads=settings.threads
    )
    typer.echo(f"\n{found.description}")
    if settings.output is not None:
        from gmmflex.engine.stages.info.agreement_picture import draw_agreement

        draw_agreement(settings.output, found.agreement, found.verdict)


@from_settings
def convert(settings: ConvertSettings) -> None:
    """Run the conversion with what was given."""
    from gmmflex.engine.stages.convert import convert_particles

    convert_particles(
        settings.particles, settings.output, settings.passthrough, settings.image_root
    )
