"""`gmmflex poses`."""

from __future__ import annotations

from typing import Annotated

import typer

from gmmflex.engine.cli.options import (
    Device,
    FinishedRun,
    ImageRoot,
    MemoryLimit,
    MovedParticles,
    Output,
    Overwrite,
    Seed,
    Threads,
    validated,
)


def poses(
    run: FinishedRun,
    output: Output,
    rounds: Annotated[
        int,
        typer.Option(help="How often to repeat the analysis with refined poses, and refine again."),
    ] = 0,
    angle: Annotated[
        float, typer.Option(help="How far orientations may be off, in degrees; then learnt.")
    ] = 3.0,
    shift: Annotated[
        float, typer.Option(help="How far origins may be off, in Å; then learnt.")
    ] = 1.5,
    particles: MovedParticles = None,
    image_root: ImageRoot = None,
    memory_limit: MemoryLimit = 0.1,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Refine orientations and origins against what each particle's own latent decodes to."""
    from gmmflex.engine.settings.poses import PosesSettings
    from gmmflex.engine.stages.poses.stage import run_poses

    settings = validated(
        PosesSettings,
        run=run,
        output=output,
        rounds=rounds,
        angle_deg=angle,
        shift_A=shift,
        particles=particles,
        image_root=image_root,
        memory_limit_GB=memory_limit,
        seed=seed,
        device=device,
        threads=threads,
    )
    run_poses(settings, overwrite)
