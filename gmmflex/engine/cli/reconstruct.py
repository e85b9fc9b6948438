"""`gmmflex reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import (
    Device,
    FinishedRun,
    ImageRoot,
    MovedParticles,
    Output,
    Overwrite,
    Threads,
    validated,
)


def reconstruct(
    run: FinishedRun,
    output: Output,
    clusters: Annotated[
        Path | None,
        typer.Option(help="A map for each label (.npy, one for each latent, from 1; 0: none)."),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            help="A map at each latent (.npy).  [default: 5 along the first principal component]"
        ),
    ] = None,
    nearest: Annotated[
        int | None,
        typer.Option(help="Particles of each point.  [default: a tenth of all, at least 500]"),
    ] = None,
    weighted: Annotated[
        bool,
        typer.Option(
            "--weighted",
            help="Weight particles by their distance; --nearest sets how many count.",
        ),
    ] = False,
    deformed: Annotated[
        bool,
        typer.Option("--deformed", help="One map of all particles, the motion of each undone."),
    ] = False,
    groups: Annotated[
        int, typer.Option(help="Groups of particles whose motion --deformed undoes alike.")
    ] = 24,
    mask: Annotated[
        str, typer.Option(help="Where half maps are compared: auto, none, or a map.")
    ] = "auto",
    local: Annotated[
        bool,
        typer.Option("--local", help="Also local resolution, and each map filtered by it."),
    ] = False,
    particles: MovedParticles = None,
    image_root: ImageRoot = None,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Reconstruct maps of the states of a run from its particles."""
    from gmmflex.engine.settings.reconstruct import ReconstructSettings
    from gmmflex.engine.stages.reconstruct.stage import run_reconstruct

    settings = validated(
        ReconstructSettings,
        run=run,
        output=output,
        clusters=clusters,
        points=points,
        nearest=nearest,
        weighted=weighted,
        deformed=deformed,
        groups=groups,
        mask=mask,
        local=local,
        particles=particles,
        image_root=image_root,
        device=device,
        threads=threads,
    )
    run_reconstruct(settings, overwrite)
