"""Picture of a training: agreement with the images, bonds and learning rate, epoch by epoch."""

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from gmmflex.viewers.views.plots import BLUE, GREY, ORANGE, quiet

_CURVES = (("train_loss", "trained on", BLUE), ("test_loss", "held out", ORANGE))


def draw_training(figure, metrics: dict[str, np.ndarray]) -> None:
    """How well the model's projections agree with the images, for the particles trained on and
    for those held out; below, how far bonds deviate where they are kept, and the learning rate.

    The loss is minus the weighted FRC of projection and image, so its negative is drawn.
    """
    epochs, starts = _running_epochs(metrics)
    marker = "o" if len(epochs) <= 40 else None
    below = [
        (name, draw)
        for name, draw in (("bond_deviation_A", _draw_bonds), ("learning_rate", _draw_rate))
        if np.isfinite(metrics.get(name, np.full(1, np.nan))).any()
    ]
    heights = [3] + [1] * len(below)
    panels = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    top = panels[0]
    for name, label, colour in _CURVES:
        if name in metrics:
            for rows in np.split(np.arange(len(epochs)), starts[1:]):
                values = -metrics[name][rows]
                top.plot(epochs[rows], values, color=colour, marker=marker, ms=4, label=label)
                label = None  # one entry in the legend for all rounds
    top.set_ylabel("Agreement with the images\n(weighted FRC, higher is better)")
    top.set_title("Training", fontsize=11)
    top.legend(title="Particles", frameon=False)
    if len(starts) > 1:
        _name_rounds(top, epochs[starts])
    for axes, (name, draw) in zip(panels[1:], below, strict=True):
        draw(axes, epochs, metrics[name], marker)
    for axes in panels:
        quiet(axes)
    panels[-1].set_xlabel("Epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_bonds(axes, epochs, deviations_A, marker):
    axes.plot(epochs, deviations_A, color=GREY, marker=marker, ms=3)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Bonds off\nby (Å, RMS)")


def _draw_rate(axes, epochs, rates, marker):
    axes.step(epochs, rates, where="post", color=GREY, marker=marker, ms=3)
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("Learning rate")


def _name_rounds(axes, starts):
    for number, start in enumerate(starts, start=1):
        axes.axvline(start, color=GREY, lw=0.8, ls=":")
        axes.annotate(
            f"round {number}",
            (start, 0.01),
            xycoords=("data", "axes fraction"),
            xytext=(4, 2),
            textcoords="offset points",
            color=GREY,
            fontsize=9,
        )


def _running_epochs(metrics):
    """Epochs counted through all rounds, and the rows at which rounds begin.

    Each round of a run counts its own epochs from 0; agreement does not compare between rounds,
    which may look at other resolutions.
    """
    epochs = metrics["epoch"]
    rounds = metrics.get("round", np.ones(len(epochs)))
    starts = np.flatnonzero(np.diff(rounds, prepend=np.nan) != 0)
    running, before = epochs.copy(), 0.0
    for rows in np.split(np.arange(len(epochs)), starts[1:]):
        running[rows] = epochs[rows] + before
        before = running[rows[-1]]
    return running, starts
