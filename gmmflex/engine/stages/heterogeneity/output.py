"""What a heterogeneity run leaves for people and viewers: latents, density, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gmmflex.engine.io.particles import Particles, write_particles_star
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.inference.principal_axes import point_density, principal_components
from gmmflex.engine.parts.symmetry_copies import columns_of_copies, columns_of_joined
from gmmflex.engine.training.training import Epoch

LATENT_LABEL = "gmmflexLatent"


def write_latents(
    output: Path,
    particles: Particles,
    latents: NDArray[np.float32],
    operators: NDArray[np.float64],
    of_particles: Mapping[str, NDArray[np.generic]],
) -> None:
    """latents.star (input columns + gmmflexLatent1…d and others), latents.npy, density.npy,
    latents.png.

    of_particles: further columns, (n,) each; operators: (S, 3, 3). With S > 1 latents are those of
    the copies, (n·S, d), and latents.star holds a row for each, with its pose and
    gmmflexSymmetryCopy; latents_by_particle.star has one row for each particle with the latents of
    all copies, gmmflexLatent1Copy1….
    """
    n, n_copies = len(particles), len(operators)
    columns: dict[str, NDArray[np.generic]] = {}
    rows = particles
    if n_copies > 1:
        by_particle = latents.reshape(n, n_copies, -1)
        write_particles_star(
            output / "latents_by_particle.star",
            particles,
            {**columns_of_joined(by_particle, LATENT_LABEL), **of_particles},
            replacing=LATENT_LABEL,
        )
        rows = particles.subset(np.repeat(np.arange(n), n_copies))
        columns = columns_of_copies(particles.rotations, operators, particles.image_ids)
    columns.update((f"{LATENT_LABEL}{i + 1}", latents[:, i]) for i in range(latents.shape[1]))
    columns.update((label, np.repeat(v, n_copies)) for label, v in of_particles.items())
    write_particles_star(output / "latents.star", rows, columns, replacing=LATENT_LABEL)
    projected = principal_components(latents)
    density = point_density(projected)
    for name, values in (("latents.npy", latents), ("density.npy", density)):
        with replacing(output / name) as temporary:
            np.save(temporary, values)
    what = "particles" if n_copies == 1 else f"copies of {n:,} particles"
    _draw_latents(output / "latents.png", projected, density, what)


def _draw_latents(
    path: Path, projected: NDArray[np.float32], density: NDArray[np.float32], what: str
) -> None:
    figure = Figure(figsize=(7.4, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.add_subplot()
    n = len(projected)
    size = float(np.clip(40_000 / n, 0.3, 12.0))
    # The densest particles last, or the sparse ones would hide them.
    order = np.argsort(density)
    if projected.shape[1] == 1:
        panel.hist(projected[:, 0], bins=80, color="#1f5fa8")
        panel.set_ylabel("particles")
    else:
        points = panel.scatter(
            projected[order, 0],
            projected[order, 1],
            c=density[order],
            s=size,
            cmap="viridis",
            linewidths=0,
            rasterized=True,
        )
        figure.colorbar(points, ax=panel, label="relative density of particles", shrink=0.8)
        panel.set_ylabel("second principal component of the latents")
    panel.set_xlabel("first principal component of the latents")
    panel.set_title(f"Latent space of {n:,} {what}")
    panel.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def draw_training(
    path: Path, history: tuple[Epoch, ...], score_neutral: float, score_fitted: float
) -> None:
    """The scores of all epochs beside that of the neutral mixture and, with fitted latents, that
    of the model in the end."""
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.add_subplot()
    epochs = [line.epoch for line in history]
    panel.plot(
        epochs[1:],
        [-line.train_loss for line in history[1:]],
        "o-",
        color="#9bb8d9",
        label="training",
    )
    panel.plot(
        epochs, [-line.test_loss for line in history], "o-", color="#1f5fa8", label="held out"
    )
    panel.axhline(score_fitted, color="#1f5fa8", lw=1, ls=":", label="held out, latents fitted")
    panel.axhline(score_neutral, color="0.5", lw=1, ls="--", label="neutral mixture")
    panel.set_xlabel("epoch")
    panel.set_ylabel("weighted FRC on the data not encoded")
    panel.set_title("Training")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
