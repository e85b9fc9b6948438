"""The picture of a neutral mixture: it over the map from three sides, and its FSC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.stages.neutral.target import Target


def draw_neutral(
    path: Path,
    target: Target,
    rendered: NDArray[np.float32],
    mixture: GaussianMixture,
    fsc: torch.Tensor,
    fsc_unmasked: torch.Tensor,
    resolution_A: float,
) -> None:
    """Write the picture (PNG): projections of map and mixture along x, y, z, and the FSC."""
    figure = Figure(figsize=(13, 6.4))
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"Neutral mixture: {mixture.n_gaussians} Gaussians, {resolution_A:.3g} Å",
        fontsize=14,
    )
    # Places by hand: a layout engine takes longer than all the drawing.
    layout = figure.add_gridspec(
        2,
        4,
        width_ratios=[1, 1, 1, 1.5],
        left=0.05,
        right=0.985,
        bottom=0.08,
        top=0.89,
        wspace=0.3,
        hspace=0.32,
    )
    half = 0.5 * target.density.box_px * target.density.pixel_size_A
    reach = float(mixture.positions_A.abs().max()) + 2 * resolution_A
    shown = min(half, reach)
    positions = mixture.positions_A.numpy()
    size = float(np.clip(1500 / mixture.n_gaussians, 0.3, 8.0))
    views = (("z", 0, "x", "y", (0, 1)), ("y", 1, "x", "z", (0, 2)), ("x", 2, "y", "z", (1, 2)))
    for column, (along, axis, across, up, pair) in enumerate(views):
        for row, (data, name) in enumerate(((target.density.data, "map"), (rendered, "mixture"))):
            panel = figure.add_subplot(layout[row, column])
            panel.imshow(
                data.sum(axis=axis),
                cmap="gray",
                origin="lower",
                extent=(-half, half, -half, half),
                interpolation="bilinear",
            )
            if row == 0:
                panel.scatter(
                    positions[:, pair[0]], positions[:, pair[1]], s=size, c="#ff8c1a", linewidths=0
                )
            title = f"{name} along {along}" + (", Gaussians in orange" if row == 0 else "")
            panel.set_title(title, fontsize=9)
            panel.set_xlim(-shown, shown)
            panel.set_ylim(-shown, shown)
            panel.set_xlabel(f"{across} (Å)", fontsize=8)
            panel.set_ylabel(f"{up} (Å)", fontsize=8)
            panel.tick_params(labelsize=7)
    _draw_fsc(figure.add_subplot(layout[:, 3]), target, fsc, fsc_unmasked, resolution_A)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_fsc(
    panel: Axes,
    target: Target,
    fsc: torch.Tensor,
    fsc_unmasked: torch.Tensor,
    resolution_A: float,
) -> None:
    extent = target.density.box_px * target.density.pixel_size_A
    frequency = np.arange(1, len(fsc) + 1) / extent
    if target.mask_source != "none":
        panel.plot(frequency, fsc_unmasked.numpy(), color="0.65", label="against the map as given")
    panel.plot(frequency, fsc.numpy(), color="#1f5fa8", lw=2, label="against the map in its mask")
    panel.axhline(0.95, color="#2a8c4a", lw=1, ls="--", label="0.95")
    panel.axvline(1 / resolution_A, color="#c43", lw=1, ls=":", label="resolution asked for")
    ticks = np.linspace(0, frequency[-1], 7)[1:]
    panel.set_xticks(ticks, [f"{1 / t:.1f}" for t in ticks])
    panel.set_xlim(0, frequency[-1])
    panel.set_ylim(min(0.0, float(fsc.min())), 1.02)
    panel.set_xlabel("resolution (Å)")
    panel.set_ylabel("Fourier shell correlation")
    panel.legend(frameon=False, fontsize=8, loc="lower left")
    panel.spines[["top", "right"]].set_visible(False)
