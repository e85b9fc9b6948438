"""Pictures of the demo: particles, neutral mixture over the map, latent space with the truth."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage
from sklearn.decomposition import PCA

from demo.displacements import mean_displacements
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.models.mixture_file import read_mixture

_DPI = 130
_STATES = "viridis"


def draw_particles(path: Path, simulated: Path, shown: int = 16) -> None:
    """Particles as they are, and low-passed so that an eye can find the molecule."""
    truth = np.load(simulated / "truth.npz", allow_pickle=False)
    with mrcfile.mmap(simulated / "particles.mrcs", mode="r") as stack:
        images = np.array(stack.data[:shown])
    pixel_size_A = float(truth["pixel_size_A"])
    width_A = images.shape[1] * pixel_size_A
    figure = _figure(12.5, 6.9)
    figure.suptitle(
        f"Simulated particles of adenylate kinase, SNR {float(truth['snr']):g}, "
        f"box {width_A:.0f} Å ({images.shape[1]} px of {pixel_size_A:g} Å)"
    )
    halves = figure.subfigures(1, 2, wspace=0.04)
    for half, name, sigma_px in zip(
        halves, ("as recorded", "low-passed for the eye"), (0.0, 1.6), strict=True
    ):
        half.suptitle(name, fontsize=11)
        axes = half.subplots(4, 4, gridspec_kw={"wspace": 0.05, "hspace": 0.16})
        for number, axis in enumerate(axes.ravel()):
            image = (
                ndimage.gaussian_filter(images[number], sigma_px) if sigma_px else images[number]
            )
            low, high = np.percentile(image, (1, 99.5))
            axis.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower")
            axis.set_title(f"state {int(truth['state'][number]) + 1}", fontsize=7, pad=2)
            axis.axis("off")
    _save(figure, path)


def draw_mixture(path: Path, neutral: Path, simulated: Path) -> None:
    """The Gaussians over projections of the map along its three axes."""
    density = read_map(simulated / "consensus.mrc")
    own = read_map(neutral / "neutral.mrc")
    positions_A, amplitudes, _ = read_mixture(neutral / "neutral.cif")
    # The mixture is in the frame that Scipion gave to the map; the box centre is common to both.
    centre = density.box_px // 2 * density.pixel_size_A
    positions_A = positions_A - own.origin_A - centre
    half_A = density.box_px * density.pixel_size_A / 2
    figure = _figure(12.5, 4.9)
    figure.suptitle(f"Neutral mixture: {len(positions_A)} Gaussians over the consensus map")
    views = ((0, "z", "x", "y", (0, 1)), (1, "y", "x", "z", (0, 2)), (2, "x", "y", "z", (1, 2)))
    for axis, (along, name, across, up, pair) in zip(figure.subplots(1, 3), views, strict=True):
        axis.imshow(
            density.data.sum(axis=along),
            cmap="gray_r",
            origin="lower",
            interpolation="bicubic",
            extent=(-half_A, half_A, -half_A, half_A),
        )
        drawn = axis.scatter(
            *positions_A[:, pair].T, c=amplitudes, cmap="plasma", s=14, linewidths=0, alpha=0.9
        )
        reach = np.abs(positions_A).max() + 8
        axis.set(
            xlim=(-reach, reach),
            ylim=(-reach, reach),
            xlabel=f"{across} (Å)",
            ylabel=f"{up} (Å)",
            title=f"seen along {name}",
        )
    figure.colorbar(drawn, ax=figure.axes, label="amplitude of the Gaussian", shrink=0.8)
    _save(figure, path)


def draw_latent_space(path: Path, run: Path, simulated: Path) -> None:
    """The first two principal components, coloured by the true state, and the first against it."""
    latents = np.load(run / "latents.npy", allow_pickle=False)
    state = np.load(simulated / "truth.npz", allow_pickle=False)["state"] + 1
    fitted = PCA(min(2, latents.shape[1])).fit(latents)
    components = fitted.transform(latents)
    if np.corrcoef(components[:, 0], state)[0, 1] < 0:
        components[:, 0] *= -1  # the sign of a principal component means nothing
    if components.shape[1] == 1:
        components = np.column_stack([components, np.zeros(len(components))])
    share = [*fitted.explained_variance_ratio_, 0.0]
    figure = _figure(12.5, 5.2)
    figure.suptitle("Latent space of the particles and the truth")
    left, right = figure.subplots(1, 2)
    drawn = left.scatter(*components.T, c=state, cmap=_STATES, s=6, linewidths=0)
    left.set(
        xlabel=f"principal component 1 ({share[0]:.0%} of the variance)",
        ylabel=f"principal component 2 ({share[1]:.0%})",
        title="each dot is one particle",
    )
    figure.colorbar(drawn, ax=left, label="true state (1 open … 98 closed)")
    right.scatter(state, components[:, 0], c=state, cmap=_STATES, s=6, linewidths=0)
    right.set(
        xlabel="true state (1 open … 98 closed)",
        ylabel="principal component 1",
        title="what the network found against what is true",
    )
    _save(figure, path)


def draw_motion(path: Path, run: Path, simulated: Path) -> None:
    """How far each residue lies from the fitted model in some states: decoded against true."""
    state = np.load(simulated / "truth.npz", allow_pickle=False)["state"]
    figure = _figure(12.5, 4.6)
    axis = figure.subplots()
    tenths = np.array_split(np.argsort(state, kind="stable"), 10)
    for number, name in ((0, "most open tenth"), (5, "middle tenth"), (9, "most closed tenth")):
        colour = colormaps[_STATES](0.9 * number / 9)
        decoded_A, true_A = mean_displacements(run, simulated, tenths[number])
        for motion_A, line, which in ((decoded_A, "-", "decoded"), (true_A, ":", "true")):
            length_A = np.linalg.norm(motion_A, axis=1)
            residues = np.arange(1, len(length_A) + 1)
            axis.plot(residues, length_A, line, color=colour, label=f"{name}, {which}")
    _label_residues(axis)
    _save(figure, path)


def _label_residues(axis: Axes) -> None:
    axis.set(
        xlabel="residue",
        ylabel="mean displacement from the fitted model (Å)",
        title="How far the Cα atoms moved: decoded (lines) and true (dots)",
    )
    axis.margins(x=0.01)
    axis.grid(alpha=0.25)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.22)  # room for the legend
    axis.legend(ncols=3, fontsize=8, loc="upper center")


def draw_all(folder: Path, simulated: Path, neutral: Path, run: Path) -> list[Path]:
    """Draw every picture into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    # Scipion's plugins leave a style of their own behind.
    with style.context("default"):
        return _draw_all(folder, simulated, neutral, run)


def _draw_all(folder: Path, simulated: Path, neutral: Path, run: Path) -> list[Path]:
    paths = [
        folder / name
        for name in (
            "1_particles.png",
            "2_neutral_mixture.png",
            "3_latent_space.png",
            "4_motion.png",
        )
    ]
    draw_particles(paths[0], simulated)
    draw_mixture(paths[1], neutral, simulated)
    draw_latent_space(paths[2], run, simulated)
    draw_motion(paths[3], run, simulated)
    return paths


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=_DPI)
