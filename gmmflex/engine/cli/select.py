"""`gmmflex select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import ImageRoot, Seed, validated


def select(
    source: Annotated[
        Path, typer.Argument(help="Finished run of 'gmmflex heterogeneity' or 'gmmflex landscape'.")
    ],
    output: Annotated[
        Path, typer.Option(help="File to write: .star, or .cs if the run was made of one.")
    ],
    cluster: Annotated[
        list[int] | None, typer.Option(help="Particles of this cluster; repeatable.")
    ] = None,
    clusters: Annotated[
        Path | None,
        typer.Option(help="Cluster of each row (.npy).  [default: those of the landscape]"),
    ] = None,
    near: Annotated[
        str | None,
        typer.Option(help="A latent, as in 0.5,-1.2, or a .npy file of one or several."),
    ] = None,
    radius: Annotated[
        float | None, typer.Option(help="Particles within this distance of --near, in latents.")
    ] = None,
    nearest: Annotated[
        int | None, typer.Option(help="This many particles, those nearest to --near.")
    ] = None,
    polygon: Annotated[
        Path | None,
        typer.Option(help="Particles inside this outline: a text file with a corner a line."),
    ] = None,
    axes: Annotated[
        str, typer.Option(help="Principal components that the outline is drawn in, or umap.")
    ] = "1,2",
    rows: Annotated[
        Path | None,
        typer.Option(help="Particles listed in this file, as rows of latents.star from 1."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="A condition on a column, as in 'gmmflexReliability > 0.5'; repeatable."),
    ] = None,
    random: Annotated[
        int | None, typer.Option(help="This many particles, chosen at random.")
    ] = None,
    seed: Seed = 1,
    unexpanded: Annotated[
        bool,
        typer.Option(
            "--unexpanded", help="Of a run with --symmetry: each image once, in its own pose."
        ),
    ] = False,
    least_copies: Annotated[
        int, typer.Option(help="With --unexpanded: fewest chosen copies of an image.")
    ] = 1,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Name images with the full paths of their stacks.")
    ] = False,
    image_root: ImageRoot = None,
    particles: Annotated[
        Path | None, typer.Option(help="The run's cs file, if it has moved since.")
    ] = None,
) -> None:
    """Write particles of a part of the latent space as a star or cs file."""
    from gmmflex.engine.settings.select import SelectSettings
    from gmmflex.engine.stages.select.stage import run_select

    settings = validated(
        SelectSettings,
        source=source,
        output=output,
        cluster=tuple(cluster or ()),
        clusters=clusters,
        near=near,
        radius=radius,
        nearest=nearest,
        polygon=polygon,
        axes=axes,
        rows=rows,
        where=tuple(where or ()),
        random=random,
        seed=seed,
        unexpanded=unexpanded,
        least_copies=least_copies,
        absolute=absolute,
        image_root=image_root,
        particles=particles,
    )
    run_select(settings)
