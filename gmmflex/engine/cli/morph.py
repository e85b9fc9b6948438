"""`gmmflex morph`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import FinishedRun, Output, Overwrite, Threads, validated


class Reference(str, Enum):
    model = "model"
    neutral = "neutral"


def morph(
    run: FinishedRun,
    model: Annotated[Path, typer.Option(help="Model fitted into the map (PDB, mmCIF).")],
    output: Output,
    latents: Annotated[
        Path | None, typer.Option(help="Latents (.npy, one row for each model to make).")
    ] = None,
    component: Annotated[
        int | None, typer.Option(help="Or: go along this principal component.  [default: 1]")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Models along the component.  [default: 10]")
    ] = None,
    reference: Annotated[
        Reference,
        typer.Option(help="Count motion from the model's own state, or from the neutral mixture."),
    ] = Reference.model,
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Carry the motion of a run to all atoms of a fitted model."""
    from gmmflex.engine.settings.morph import MorphSettings
    from gmmflex.engine.stages.morph.stage import run_morph

    settings = validated(
        MorphSettings,
        run=run,
        model=model,
        output=output,
        latents=latents,
        component=component,
        frames=frames,
        reference=reference.value,
        threads=threads,
    )
    run_morph(settings, overwrite)
