"""Pictures of motion: arrows on the mixture, histograms of displacement."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from gmmflex.engine.model.inference.principal_axes import principal_axes
from gmmflex.results.motion import COLOURS, Arrows, round_magnification, thinned
from gmmflex.viewers.views.plots import BLUE, ORANGE, quiet

MOST_ARROWS = 450
MOST_POINTS = 4000
TOWERING = 4


def draw_arrows(figure, positions_A: np.ndarray, arrows: Arrows, title: str) -> None:
    """Arrows in three dimensions, coloured by their true length, seen across the molecule.

    Short ones are drawn longer by a round factor, which the title names.
    """
    factor = round_magnification(arrows)
    shown = thinned(arrows, MOST_ARROWS)
    lengths_A = shown.lengths_A
    drawn = shown.magnified(factor)
    axes = figure.add_axes((0.0, 0.0, 0.88, 0.92), projection="3d")
    turn = _facing(positions_A, arrows.vectors_A)
    centre_A = positions_A.mean(axis=0)
    points = (positions_A - centre_A) @ turn.T
    every = max(1, len(points) // MOST_POINTS)
    axes.scatter(*points[::every].T, s=70, color="#8fa3b8", alpha=0.3, linewidths=0)
    scale = Normalize(0, max(float(lengths_A.max(initial=0.0)), 1e-3))
    colours = COLOURS(scale(lengths_A))
    starts, vectors = (drawn.starts_A - centre_A) @ turn.T, drawn.vectors_A @ turn.T
    reach = np.abs(np.concatenate([points, starts, starts + vectors])).max()
    heads = np.minimum(0.38, 0.05 * reach / np.maximum(drawn.lengths_A, 1e-6))
    for start, vector, colour, head in zip(starts, vectors, colours, heads, strict=True):
        axes.quiver(*start, *vector, color=colour, linewidth=1.8, arrow_length_ratio=head)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    axes.set_box_aspect((1, 1, 1), zoom=1.6)
    axes.view_init(elev=12, azim=-90)
    axes.set_axis_off()
    note = "at true length" if factor == 1 else f"drawn {factor:g} times as long"
    figure.suptitle(f"{title}\narrows {note}; drag to turn", fontsize=11)
    _scale_bar(axes, reach)
    beside = figure.add_axes((0.88, 0.25, 0.022, 0.5))
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), cax=beside)
    bar.set_label("Displacement of a Gaussian (Å)")
    bar.outline.set_visible(False)


def draw_lengths(figure, values_A: np.ndarray, what: str, title: str) -> None:
    """Histogram of how far something moves, with median and 95th percentile."""
    axes = figure.add_subplot()
    bins = int(np.clip(np.sqrt(len(values_A)) * 1.5, 12, 60))
    reach_A = max(float(values_A.max()), 1e-3)
    counts, edges, _ = axes.hist(values_A, bins=bins, range=(0, reach_A), color=BLUE, alpha=0.85)
    for percent, name in ((50, "median"), (95, "95th percentile")):
        value = float(np.percentile(values_A, percent))
        axes.axvline(value, color=ORANGE, lw=1.2, ls="--" if percent == 50 else ":")
        left_of_it = value > 0.6 * values_A.max()
        axes.annotate(
            f"{name} {value:.2f} Å",
            (value, 0.97 if percent == 50 else 0.89),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if left_of_it else 5, 0),
            textcoords="offset points",
            color=ORANGE,
            fontsize=9,
            ha="right" if left_of_it else "left",
            va="top",
        )
    axes.set_xlabel(f"How far {what}s move (Å)")
    axes.set_ylabel(f"Number of {what}s")
    axes.set_title(title, fontsize=11)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _cut_towering(axes, counts, edges)
    quiet(axes)


def _cut_towering(axes, counts: np.ndarray, edges: np.ndarray) -> None:
    """Cut off one bar that would press all others flat (what stays at rest); say how high it is."""
    others, tallest = np.sort(counts)[[-2, -1]]
    if others == 0 or tallest < TOWERING * others:
        return
    axes.set_ylim(0, 1.8 * others)
    at = int(np.argmax(counts))
    axes.annotate(
        f"↑ {tallest:,.0f} below {edges[at + 1]:.2f} Å" if at == 0 else f"↑ {tallest:,.0f}",
        (edges[at], 0.81),
        xycoords=("data", "axes fraction"),
        xytext=(5, 0),
        textcoords="offset points",
        color=BLUE,
        fontsize=9,
        va="top",
    )


def _facing(positions_A, vectors_A):
    """Rotation (3, 3) that stands the molecule upright, with as much motion as can be in view.

    The longest axis becomes z; along y, where one looks, lies what moves least of the rest.
    """
    upright = principal_axes(positions_A).axes[:, 0]
    across = vectors_A - np.outer(vectors_A @ upright, upright)
    _, directions = np.linalg.eigh(across.T @ across + 1e9 * np.outer(upright, upright))
    along = directions[:, 0]
    turn = np.stack([np.cross(along, upright), along, upright])
    return turn


def _scale_bar(axes, reach_A):
    length_A = max(value for value in (1, 2, 5, 10, 20, 50, 100, 200) if value <= max(reach_A, 1))
    left, low = -reach_A * 0.98, -reach_A
    axes.plot([left, left + length_A], [0, 0], [low, low], color="black", lw=2)
    axes.text(left, 0, low + reach_A * 0.04, f"{length_A:g} Å", fontsize=9)
