"""Pictures of results, drawn onto a given matplotlib figure."""

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy import ndimage

from gmmflex.engine.model.inference.principal_axes import principal_axes

FSC_GOOD = 0.95
FSC_HALF_MAPS = 0.143
COLOUR_MAP = "viridis"
BLUE, ORANGE, GREY = "#2a6f97", "#e07a1f", "#8a8f98"
FEW_POINTS = 20_000


@dataclass(frozen=True)
class Axis:
    """One axis of a scatter plot: (n,) values and what to write beside it."""

    values: np.ndarray
    label: str


def latent_axes(latents: np.ndarray, principal: bool) -> list[Axis]:
    """Every axis one can look along: latent dimensions, or principal axes with their share."""
    if not principal:
        return [Axis(latents[:, i], f"Latent dimension {i + 1}") for i in range(latents.shape[1])]
    axes = principal_axes(latents)
    components, share = axes.project(latents).T, 100 * axes.shares
    return [
        Axis(values, f"Principal axis {i} ({_percent(percent)} of the variance)")
        for i, (values, percent) in enumerate(zip(components, share, strict=True), start=1)
    ]


def _percent(value: float) -> str:
    return f"{value:.0f} %" if value >= 0.5 or value == 0 else "<1 %"


def density_picture(x: np.ndarray, y: np.ndarray, bins: int):
    """Counts on a grid, their smoothed version, the edges, and the density at each point.

    The width of the smoothing falls with n^(-1/6) (Scott's rule for two dimensions). The time
    hardly depends on the number of points: half a million need 0.1 s.
    """
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins)
    # a cloud spans about five standard deviations; narrower than Scott, since clouds have shape
    width = 0.6 * bins / 5 * len(x) ** (-1 / 6)
    smooth = ndimage.gaussian_filter(counts, width, mode="constant")
    column = np.clip(np.searchsorted(x_edges, x, side="right") - 1, 0, bins - 1)
    row = np.clip(np.searchsorted(y_edges, y, side="right") - 1, 0, bins - 1)
    at_points = smooth[column, row]
    # 0 to 1, since the bin width has no meaning for the reader
    highest = smooth.max() or 1.0
    return counts, smooth / highest, (x_edges, y_edges), at_points / highest


def draw_latent_space(figure, x: Axis, y: Axis, title: str) -> None:
    """Particles as points coloured by how many lie around them, densest on top."""
    axes = figure.add_subplot()
    drawn = _draw_cloud(axes, x.values, y.values, 360, 22)
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    axes.set_title(f"{title}\n{len(x.values):,} particles", fontsize=11)
    axes.margins(0.05)
    quiet(axes)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("Density of particles (1 = highest)")
    bar.outline.set_visible(False)


def _draw_cloud(axes, x, y, bins, largest_point):
    """Each point, or above 20,000 points their grid, which then looks the same."""
    if len(x) > FEW_POINTS:
        counts, smooth, (x_edges, y_edges), _ = density_picture(x, y, bins)
        picture = np.ma.masked_where(counts == 0, smooth)
        return axes.pcolormesh(
            x_edges, y_edges, picture.T, cmap=COLOUR_MAP, vmin=0, vmax=1, rasterized=True
        )
    _, _, _, density = density_picture(x, y, 128)
    order = np.argsort(density)
    return axes.scatter(
        x[order],
        y[order],
        c=density[order],
        s=float(np.clip(20_000 / max(len(order), 1), 3, 22)) * largest_point / 22,
        cmap=COLOUR_MAP,
        vmin=0,
        vmax=1,
        linewidths=0,
        rasterized=True,
    )


def draw_latent_overview(figure, axes_to_show: list[Axis], title: str) -> None:
    """Every pair of the given axes, with the distribution along each on the diagonal."""
    n = len(axes_to_show)
    grid = figure.subplots(n, n, squeeze=False)
    for i, row_axis in enumerate(axes_to_show):
        for j, column_axis in enumerate(axes_to_show):
            axes = grid[i, j]
            if j > i:
                axes.axis("off")
                continue
            if i == j:
                bins = int(np.clip(np.sqrt(len(column_axis.values)), 12, 60))
                axes.hist(column_axis.values, bins=bins, color=BLUE, alpha=0.85)
                axes.yaxis.set_visible(False)
            else:
                _draw_cloud(axes, column_axis.values, row_axis.values, 120, 8)
            short = column_axis.label.split(" (")[0], row_axis.label.split(" (")[0]
            axes.set_xlabel(short[0] if i == n - 1 else "", fontsize=9)
            axes.set_ylabel(short[1] if j == 0 and i > 0 else "", fontsize=9)
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            quiet(axes)
    figure.suptitle(title, fontsize=12)


def draw_fsc(figure, table: dict[str, np.ndarray], resolution_A: float | None) -> None:
    """FSC of the mixture against the map, with Å on the axis and the resolution aimed at."""
    axes = figure.add_subplot()
    frequency = table["frequency_per_A"]
    if "fsc_unmasked" in table:
        axes.plot(
            frequency,
            table["fsc_unmasked"],
            color=GREY,
            lw=1.3,
            ls="--",
            label="whole map",
            zorder=3,
        )
    marker = "o" if len(frequency) <= 40 else None
    axes.plot(
        frequency, table["fsc"], color=BLUE, lw=2, marker=marker, ms=4, label="map inside the mask"
    )
    last = float(frequency[-1])
    for level in (FSC_GOOD, FSC_HALF_MAPS):
        axes.axhline(level, color=ORANGE, lw=0.9, ls="--")
        axes.text(last, level + 0.012, f"{level:g}", color=ORANGE, ha="right", fontsize=9)
    if resolution_A:
        axes.axvspan(0, 1 / resolution_A, color=BLUE, alpha=0.07, lw=0)
        axes.axvline(1 / resolution_A, color=BLUE, lw=0.9, ls=":")
        axes.annotate(
            f"{resolution_A:g} Å aimed at",
            (1 / resolution_A, 0.03),
            xytext=(5, 0),
            textcoords="offset points",
            color=BLUE,
            fontsize=9,
        )
    axes.set_xlim(0, last)
    axes.set_ylim(min(-0.05, float(np.nanmin(table["fsc"])) - 0.05), 1.04)
    axes.xaxis.set_major_formatter(FuncFormatter(_as_resolution))
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.set_xlabel("Resolution (Å)")
    axes.set_ylabel("Fourier shell correlation")
    axes.set_title("Neutral mixture against the map", fontsize=11)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0.02, 0.4))
    quiet(axes)


def _as_resolution(frequency, _position):
    return "∞" if frequency <= 1e-6 else f"{1 / frequency:.1f}"


def quiet(axes):
    """Axes without a frame, on a faint grid, whatever style another plugin has set for all."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor("white")
    axes.grid(color="#3c4450", alpha=0.14, linewidth=0.8)
    axes.set_axisbelow(True)
