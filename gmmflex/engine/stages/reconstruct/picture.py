"""The pictures of `gmmflex reconstruct`: FSC curves, and projections of all maps side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gmmflex.engine.io.writing import replacing
from gmmflex.engine.reconstruction.half_maps import FSC_LIMIT
from gmmflex.engine.reconstruction.maps import DECODED_LIMIT
from gmmflex.engine.stages.reconstruct.output import StateRow

# More states than this are not told apart in a picture: some, evenly spaced, are shown.
_MOST_SHOWN = 8


def draw_curves(path: Path, rows: Sequence[StateRow], extent_A: float) -> None:
    """FSC of the halves, and of map and decoded mixture; the consensus grey.

    extent_A: edge of the box.
    """
    figure = Figure(figsize=(10.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(1, 2, place) for place in (1, 2)]
    shown = _shown(rows)
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, max(len(shown) - 1, 1)))
    for number, row in enumerate(shown):
        colour = "0.45" if number == 0 else colours[number - 1]
        frequency = np.arange(1, len(row.fsc) + 1) / extent_A
        for panel, curve, length_A in (
            (panels[0], row.fsc, row.resolution_A),
            (panels[1], row.fsc_decoded, row.agree_A),
        ):
            # Curves that do not fall below the limit end where the images do.
            least = "≤ " if length_A <= extent_A / len(curve) * 1.0001 else ""
            label = f"{_title(row)}: {least}{length_A:.1f} Å"
            line = "--" if row.state.name.startswith("consensus") else "-"
            panel.plot(frequency, curve, color=colour, lw=1.5, ls=line, label=label)
    _finish(panels[0], "Half maps", FSC_LIMIT, len(shown[0].fsc), extent_A)
    _finish(
        panels[1],
        "Map of the particles and decoded mixture",
        DECODED_LIMIT,
        len(shown[0].fsc),
        extent_A,
    )
    panels[0].set_ylabel("Fourier shell correlation")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _finish(panel: Axes, title: str, limit: float, last: int, extent_A: float) -> None:
    panel.set_title(title, fontsize=11)
    panel.axhline(limit, color="0.7", lw=0.8)
    panel.annotate(
        f"{limit:g}",
        (1.0, limit),
        xycoords=panel.get_yaxis_transform(),
        fontsize=8,
        color="0.5",
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
    )
    panel.axhline(0.0, color="0.85", lw=0.8)
    panel.set_ylim(-0.1, 1.03)
    low, high = 1 / extent_A, last / extent_A
    panel.set_xlim(low, high)
    ticks = np.linspace(low, high, 6)[1:]
    panel.set_xticks(ticks, [f"{1 / tick:.1f}" for tick in ticks])
    panel.set_xlabel("resolution (Å)")
    panel.legend(edgecolor="none", framealpha=0.9, fontsize=8, loc="lower left")
    panel.spines[["top", "right"]].set_visible(False)


def draw_maps(path: Path, rows: Sequence[StateRow], pixel_size_A: float) -> None:
    """Projections along z and y of each map, and below each of the decoded mixture."""
    shown = _shown(rows)
    figure = Figure(figsize=(1.75 * len(shown) + 0.5, 7.3), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(4, len(shown), squeeze=False)
    part = _around([image for row in shown for image in row.decoded_seen])
    for column, row in enumerate(shown):
        images = [row.seen[0], row.decoded_seen[0], row.seen[1], row.decoded_seen[1]]
        for panel, image in zip(panels[:, column], images, strict=True):
            inside = image[part, part]
            low, high = np.percentile(inside, (2.0, 99.8))
            panel.imshow(inside, cmap="gray", vmin=min(low, 0.0), vmax=high, origin="lower")
            panel.set_xticks([])
            panel.set_yticks([])
        panels[0, column].set_title(f"{_title(row)}\n{row.resolution_A:.1f} Å", fontsize=9)
    names = ("along z\nparticles", "along z\ndecoded", "along y\nparticles", "along y\ndecoded")
    for panel, name in zip(panels[:, 0], names, strict=True):
        panel.set_ylabel(name, fontsize=9)
    length = _round_length_A(0.3 * (part.stop - part.start) * pixel_size_A)
    corner = panels[-1, 0]
    corner.plot([1, 1 + length / pixel_size_A], [1.5, 1.5], color="white", lw=2)
    corner.annotate(
        f"{length:g} Å",
        (1, 1.5),
        xytext=(0, 3),
        textcoords="offset points",
        color="white",
        fontsize=8,
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _shown(rows: Sequence[StateRow]) -> list[StateRow]:
    """The first row (the consensus), and at most eight of the others."""
    if len(rows) - 1 <= _MOST_SHOWN:
        return list(rows)
    chosen = np.unique(np.linspace(1, len(rows) - 1, _MOST_SHOWN).round().astype(int))
    return [rows[0], *(rows[int(i)] for i in chosen)]


def _title(row: StateRow) -> str:
    name = row.state.name
    return f"state {name}" if name.isdigit() else name.replace("_", ", ")


def _around(images: list[NDArray[np.float32]]) -> slice:
    """The middle part of all images that shows the molecule, with a margin."""
    total = np.maximum(np.stack(images), 0.0).sum(axis=0)
    box = len(images[0])
    along = np.flatnonzero(np.maximum(total.max(axis=0), total.max(axis=1)) > 0.02 * total.max())
    reach = max(abs(along - box // 2)) + 3 if len(along) else box // 2
    return slice(max(0, box // 2 - reach), min(box, box // 2 + reach + 1))


def _round_length_A(length_A: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** np.floor(np.log10(length_A))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length_A))
