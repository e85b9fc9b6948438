"""Junk in a landscape: how much there is, where it lies, and what it is left out of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.html_report import Section
from gmmflex.engine.latents.clusters import Clusters
from gmmflex.engine.model.inference.principal_axes import PrincipalAxes
from gmmflex.engine.runs.junk_column import LIKELY_JUNK
from gmmflex.engine.stages.landscape.pictures import (
    drawn,
    in_plane,
    label_axes,
    new_figure,
    plain,
    save,
)

PICTURE = "junk.png"
_COLOUR = "#c2317d"


def without_junk(junk: NDArray[np.float64] | None, n: int, fewest: int) -> NDArray[np.bool_]:
    """(n,) which particles make densities and clusters: those that are rather no junk.

    junk: (n,) probabilities, None of a run of an earlier version. All count where fewer than
    `fewest` would.
    """
    counted = np.ones(n, dtype=np.bool_) if junk is None else junk <= LIKELY_JUNK
    return counted if counted.sum() >= fewest else np.ones(n, dtype=np.bool_)


def among_all(clusters: Clusters, counted: NDArray[np.bool_]) -> Clusters:
    """Clusters of the particles that count, with labels of all: the others are in none."""
    labels = np.zeros(len(counted), dtype=clusters.labels.dtype)
    labels[counted] = clusters.labels
    return replace(clusters, labels=labels)


def junk_summary(junk: NDArray[np.float64] | None) -> dict[str, Any] | None:
    """How many rows are expected to be junk, their share, and how many are rather that."""
    if junk is None:
        return None
    listed = int((junk > LIKELY_JUNK).sum())
    return {"particles": float(junk.sum()), "share": float(junk.mean()), "listed": listed}


def draw_junk_places(
    path: Path, projected: NDArray[np.float32], junk: NDArray[np.float64], axes: PrincipalAxes
) -> None:
    """Particles in the plane of two components, junk in a colour, and their probabilities."""
    figure = new_figure(10.4, 4.4)
    panels: Any = figure.subplots(1, 2, width_ratios=(1.35, 1))
    left, right = panels
    rows = drawn(len(projected))
    points, listed = in_plane(projected[rows]), junk[rows] > LIKELY_JUNK
    size = float(np.clip(20_000 / len(rows), 1.0, 12.0))
    for chosen, colour in ((~listed, "#bbbbbb"), (listed, _COLOUR)):
        left.scatter(*points[chosen].T, c=colour, s=size, linewidths=0, rasterized=True)
    left.set_title(f"{int((junk > LIKELY_JUNK).sum()):,} of {len(junk):,} are rather junk")
    label_axes(left, axes)
    right.hist(junk, bins=40, range=(0, 1), color=_COLOUR)
    # So that a few particles can be seen beside many.
    right.set_yscale("function", functions=(lambda n: np.sqrt(np.maximum(n, 0)), np.square))
    right.set_ylim(bottom=0)
    right.set_xlabel("probability of being junk")
    right.set_ylabel("particles")
    for panel in panels:
        plain(panel)
    save(figure, path)


def junk_section(folder: Path, run: Path, about: dict[str, Any]) -> Section:
    """The number, where junk lies, and the run's own picture of how it was found.

    about: `junk_summary`.
    """
    pictures = [
        (folder / PICTURE, "Junk in the plane of the first two components, and its probabilities.")
    ]
    if (run / PICTURE).is_file():
        caption = (
            "How brightly the images show what their latents decode to: particles of the molecule "
            "lie about one value, also at high resolution; images of noise about 0; others between."
        )
        pictures.append((run / PICTURE, caption))
    return Section(
        "Junk",
        f"{about['listed']:,} particles ({100 * about['share']:.1f} % expected) probably do not "
        "show the molecule in about the pose that they were given. They are in no cluster, and "
        "left out of the free energy.",
        tuple(pictures),
    )
