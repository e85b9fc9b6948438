"""`gmmflex landscape`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import FinishedRun, Output, Overwrite, Seed, Threads, validated


class Method(str, Enum):
    kmeans = "kmeans"
    mixture = "mixture"
    hdbscan = "hdbscan"


def landscape(
    run: FinishedRun,
    output: Output,
    method: Annotated[
        Method, typer.Option(help="How particles are grouped: k-means, Gaussian mixture, HDBSCAN.")
    ] = Method.kmeans,
    clusters: Annotated[
        int | None, typer.Option(help="How many clusters.  [default: a suggested number]")
    ] = None,
    most_clusters: Annotated[int, typer.Option(help="Largest number that may be suggested.")] = 8,
    frames: Annotated[int, typer.Option(help="Latents of each trajectory.")] = 10,
    path: Annotated[
        list[str] | None,
        typer.Option(
            help="FROM,TO: a trajectory through populated places between two particles (rows of "
            "latents.star, from 1) or clusters (c1,c3); repeatable."
        ),
    ] = None,
    line: Annotated[
        list[str] | None, typer.Option(help="FROM,TO as for --path, but straight; repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=mask file, or NAME=A:130-420 of the fitted model: find the motion that "
            "moves this region most and the rest least; repeatable."
        ),
    ] = None,
    combine: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME,NAME of two regions: every amplitude of the one motion with every amplitude "
            "of the other; repeatable."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Fitted model that residues refer to.  [default: the mixture's]"),
    ] = None,
    umap: Annotated[
        bool, typer.Option("--umap", help="Also lay out the latents in a plane by UMAP.")
    ] = False,
    seed: Seed = 1,
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Show what a run found: density, clusters, paths through the states, star files, a report."""
    from gmmflex.engine.settings.landscape import LandscapeSettings
    from gmmflex.engine.stages.landscape.stage import run_landscape

    settings = validated(
        LandscapeSettings,
        run=run,
        output=output,
        method=method.value,
        clusters=clusters,
        most_clusters=most_clusters,
        frames=frames,
        path=tuple(path or ()),
        line=tuple(line or ()),
        region=tuple(region or ()),
        combine=tuple(combine or ()),
        model=model,
        umap=umap,
        seed=seed,
        threads=threads,
    )
    run_landscape(settings, overwrite)
