"""`gmmflex neutral`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import Atoms, Device, Output, Overwrite, Seed, Threads, validated


def neutral(
    output: Output,
    map: Annotated[Path | None, typer.Option(help="Consensus map (MRC).")] = None,
    model: Annotated[Path | None, typer.Option(help="Fitted model (PDB, mmCIF).")] = None,
    mask: Annotated[str, typer.Option(help="Mask file, 'auto' or 'none'.")] = "auto",
    resolution: Annotated[
        float | None,
        typer.Option(
            help="Target resolution in Å.  [default: 8; with a model that is held, how far it "
            "agrees with the map]"
        ),
    ] = None,
    gaussians: Annotated[
        int | None, typer.Option(help="Number of Gaussians; chosen from the map if not given.")
    ] = None,
    from_: Annotated[
        Atoms, typer.Option("--from", help="Which atoms of the model carry Gaussians.")
    ] = Atoms.ca,
    bonds: Annotated[
        bool, typer.Option("--bonds", help="Keep bonds and angles of the model's backbone.")
    ] = False,
    hold_model: Annotated[
        bool | None,
        typer.Option(
            "--hold-model/--no-hold-model",
            help="Take the Gaussians of the model as they are.  [default: if it accounts for the "
            "map]",
        ),
    ] = None,
    box: Annotated[int | None, typer.Option(help="Box in px, for a model without a map.")] = None,
    pixel_size: Annotated[
        float | None, typer.Option(help="Pixel size in Å, for a model without a map.")
    ] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Build the neutral Gaussian mixture from a map, a fitted model, or both."""
    from gmmflex.engine.settings.neutral import NeutralSettings
    from gmmflex.engine.stages.neutral.stage import run_neutral

    settings = validated(
        NeutralSettings,
        output=output,
        map=map,
        model=model,
        mask=mask,
        resolution_A=resolution,
        gaussians=gaussians,
        atoms=from_.value,
        bonds=bonds,
        hold_model=hold_model,
        box_px=box,
        pixel_size_A=pixel_size,
        seed=seed,
        device=device,
        threads=threads,
    )
    run_neutral(settings, overwrite)
