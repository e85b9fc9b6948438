"""`gmmflex heterogeneity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import ImageRoot, Overwrite, Passthrough, validated
from gmmflex.engine.io.errors import UserError


def heterogeneity(
    particles: Annotated[
        Path | None, typer.Argument(help="Refined particles: RELION star or cryoSPARC cs.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON with settings; options given here override it.")
    ] = None,
    neutral: Annotated[
        Path | None, typer.Option(help="Run folder of 'gmmflex neutral', or a mixture (mmCIF).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Run folder to make; an unfinished run in it goes on.")
    ] = None,
    decoder: Annotated[
        str | None, typer.Option(help="free, hierarchical or rigid.  [default: free]")
    ] = None,
    anchors: Annotated[
        str | None,
        typer.Option(help="Anchors of the hierarchical decoder, for each level.  [default: 32]"),
    ] = None,
    body: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=mask file, or NAME=A:130-420 of the fitted model; repeatable. A rigid "
            "decoder moves them as wholes; of any other their angles and shifts are reported."
        ),
    ] = None,
    body_edge: Annotated[
        float | None, typer.Option(help="Soft edge of rigid bodies in Å.  [default: 0]")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Fitted model that residues refer to.  [default: the mixture's]"),
    ] = None,
    bonds: Annotated[
        Path | None,
        typer.Option(help="Fitted model whose backbone is kept; 'model': the one of --model."),
    ] = None,
    symmetry: Annotated[
        str | None, typer.Option(help="Point group on RELION's axes.  [default: C1]")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Run folder of a finished analysis to start from.")
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(help="Dimensions of the latent space.  [default: 4]")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(help="Finest resolution in Å.  [default: the mixture's]")
    ] = None,
    first_resolution: Annotated[
        float | None, typer.Option(help="A first round stops at this coarser resolution in Å.")
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(
            help="What may vary: any of positions,amplitudes,widths.  [default: positions]"
        ),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Map; only Gaussians inside it may vary.")
    ] = None,
    smoothing: Annotated[
        float | None,
        typer.Option(
            help="Neighbours within about this (Å) move alike.  [default: 0.75 resolution]"
        ),
    ] = None,
    invert_contrast: Annotated[
        str | None, typer.Option(help="Dark particles: auto, yes or no.  [default: auto]")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Largest number; training stops earlier by itself.  [default: 40]"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Particles a step learns from.  [default: 64]")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="[default: 0.001]")] = None,
    latent_noise: Annotated[float | None, typer.Option(help="[default: 0.1]")] = None,
    passthrough: Passthrough = None,
    image_root: ImageRoot = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(
            help="Images kept in memory, in GB; the rest is read from files.  [default: 0.1]"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all random numbers.  [default: 1]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:N.  [default: auto]")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads of each process; 0 shares out the cores.  [default: 0]"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the latent space of a set of particles: how each one differs from the mixture."""
    from gmmflex.engine.io.runs.run_folder import read_json
    from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
    from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity

    given = {
        "particles": particles,
        "neutral": neutral,
        "output": output,
        "decoder": decoder,
        "anchors": anchors,
        "bodies": None if body is None else tuple(body),
        "body_edge_A": body_edge,
        "model": model,
        "bonds": bonds,
        "symmetry": symmetry,
        "start_from": start_from,
        "latent_dim": latent_dim,
        "resolution_A": resolution,
        "first_resolution_A": first_resolution,
        "vary": None if vary is None else tuple(v.strip() for v in vary.split(",") if v.strip()),
        "mask": mask,
        "smoothing_A": smoothing,
        "invert_contrast": invert_contrast,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "latent_noise": latent_noise,
        "passthrough": passthrough,
        "image_root": image_root,
        "memory_limit_GB": memory_limit,
        "seed": seed,
        "device": device,
        "threads": threads,
    }
    values = {} if config is None else read_json(config)
    values.update({name: value for name, value in given.items() if value is not None})
    for name in ("particles", "neutral", "output"):
        if name not in values:
            option = "PARTICLES" if name == "particles" else f"--{name}"
            raise UserError(f"gmmflex heterogeneity needs {option}: give it here or in --config")
    run_heterogeneity(validated(HeterogeneitySettings, **values), overwrite)
