"""`gmmflex movie`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import FinishedRun, Output, Overwrite, Threads, validated


def movie(
    run: FinishedRun,
    output: Output,
    latents: Annotated[
        Path | None,
        typer.Option(help="Latents to go through (.npy), as in landscape/trajectories."),
    ] = None,
    component: Annotated[
        int | None, typer.Option(help="Or: go along this principal component.  [default: 1]")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="States along the component.  [default: 16]")
    ] = None,
    closed: Annotated[
        bool, typer.Option("--closed", help="The first state follows the last (a circle).")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="Fitted model to move along, for ChimeraX (PDB, mmCIF).")
    ] = None,
    per_second: Annotated[float, typer.Option(help="States shown in a second.")] = 8.0,
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make a movie of the motion (GIF, MP4), and maps and models with a slider for ChimeraX."""
    from gmmflex.engine.settings.movie import MovieSettings
    from gmmflex.engine.stages.movie.stage import run_movie

    settings = validated(
        MovieSettings,
        run=run,
        output=output,
        latents=latents,
        component=component,
        frames=frames,
        closed=closed,
        model=model,
        per_second=per_second,
        threads=threads,
    )
    run_movie(settings, overwrite)
