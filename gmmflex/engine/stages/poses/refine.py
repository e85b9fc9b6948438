"""Poses of all particles of a run, refined, if particles that were held out say so."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.particles import BOTH_HALVES, read_particle_data
from gmmflex.engine.fitting.latent_fit import Fit, joined
from gmmflex.engine.fitting.latent_fitting import Beginning, Fitting, Way, for_both_folds
from gmmflex.engine.machine.batch_limit import batch_limit_for
from gmmflex.engine.machine.compute import choose_device
from gmmflex.engine.machine.processes import ALONE
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.geometry.superposition import superpose
from gmmflex.engine.model.inference.pose_average import (
    along_main_axes,
    as_given_on_average,
    main_shapes,
)
from gmmflex.engine.model.inference.pose_change import N_POSE
from gmmflex.engine.model.inference.pose_errors import RIGHT, PoseErrors
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.runs.rings import coefficients_of_run
from gmmflex.engine.runs.run import Run
from gmmflex.engine.settings.poses import PosesSettings

# Particles that noise and priors are learnt from; held-out ones that decide.
_SAMPLE, _MOST_TRIED = 400, 300
_CANDIDATES = 32
_AT_ONCE = 256
# A gain has to be so many of its standard errors to count.
_SIGNIFICANT = 2.0
# Shapes that vary less than this share of the widest, in variance, may be noise or wrong poses.
_MAIN_SHAPE = 0.1


@dataclass(frozen=True)
class PoseCheck:
    """Held-out scores, each half of an image with pose and latent of the other half: with the poses
    as they were and with refined ones; standard_error: of their difference."""

    particles: int
    before: float
    after: float
    standard_error: float

    @property
    def gained(self) -> bool:
        return self.after - self.before > _SIGNIFICANT * self.standard_error


@dataclass(frozen=True)
class Refinement:
    """changes: (n, 5) rotation vectors (radians, in the frame of the image) and shifts (Å) from the
    poses that were given; deviations: (n, 5) their standard deviations; off: how far poses were
    off, as learnt; of_frame: what went with the shape of the molecule and was taken off, root mean
    square over particles; scores: (m,) of held-out particles, refined. Without a gain changes are
    0."""

    changes: NDArray[np.float64]
    deviations: NDArray[np.float64]
    off: PoseErrors
    of_frame: PoseErrors
    check: PoseCheck
    scores: NDArray[np.float64]

    def better_than(self, other: Refinement) -> bool:
        """Whether the same held-out particles, in the same halves, score better than there."""
        difference = self.scores - other.scores
        error = float(difference.std(ddof=1)) / len(difference) ** 0.5
        return bool(difference.mean() > _SIGNIFICANT * error)


def refine_poses(settings: PosesSettings, run: Run, analysis: Run, log: Log) -> Refinement:
    """Refine the poses of the particles of `analysis` with the mixtures of `run`, a later analysis
    of the same or that one itself; the objective of `analysis` scores both.

    Raises UserError for images that cannot be read.
    """
    subject = _subject(settings, run, analysis, log)
    fitting, latents, n = subject.fitting, subject.latents, len(subject.latents)
    sample = torch.linspace(0, n - 1, min(n, _SAMPLE)).long()
    start = PoseErrors(settings.angle_deg, settings.shift_A)
    noise = float(run.setting("latent_noise"))
    beginning = Beginning(for_both_folds(latents[sample]), noise, start)
    way = fitting.way(sample, beginning, ALONE)
    off = way.errors
    log(f"poses are off by {off.angle_deg:.2f} degrees about each axis, {off.shift_A:.2f} A along")

    seed, test_fraction = int(run.setting("seed")), run.setting("test_fraction")
    tried = held_out(n, seed, test_fraction)[:_MOST_TRIED]
    before, after = _tried(subject, tried, way, settings.seed)
    difference = (after - before).double()
    check = PoseCheck(
        len(tried),
        float(before.mean()),
        float(after.mean()),
        float(difference.std() / len(tried) ** 0.5),
    )
    changes, covariances = torch.zeros(n, N_POSE), torch.zeros(n, N_POSE, N_POSE)
    of_frame = RIGHT
    if check.gained:
        fit = _fit_all(fitting, latents, way, log)
        changes, covariances = fit.pose_changes[:, BOTH_HALVES], fit.pose_covariances
        kept = _in_the_given_frame(fit, changes, fitting)
        of_frame = _rms_of(changes - kept)
        changes = kept
        log(
            f"what went with the shape of the molecule was removed: "
            f"{of_frame.angle_deg:.2f} degrees, {of_frame.shift_A:.2f} A RMS"
        )
    fitting.data.images.remove()
    return Refinement(
        changes.numpy().astype(np.float64),
        covariances.diagonal(dim1=1, dim2=2).sqrt().numpy().astype(np.float64),
        off,
        of_frame,
        check,
        after.numpy().astype(np.float64),
    )


@dataclass(frozen=True)
class _Subject:
    """What poses are refined with: fits of latents and poses, latents (n, d), the score."""

    fitting: Fitting
    latents: Tensor
    objective: Objective


def _subject(settings: PosesSettings, run: Run, analysis: Run, log: Log) -> _Subject:
    source, results = analysis.particles, run.results
    device = choose_device(settings.device)
    coefficients = coefficients_of_run(run.summary, source.particles, device)
    storage = Storage(settings.output, settings.memory_limit_GB)
    data = read_particle_data(source.particles, coefficients, storage, log)
    data = data.with_contrast(source.contrast_sign)
    if run.folder == analysis.folder:
        data = data.with_pose_changes(run.pose_changes)
    model = results.model.on(device)
    batch_limit = batch_limit_for(model.neutral.n_gaussians, coefficients, _AT_ONCE, log)
    fitting = Fitting(model, data, batch_limit)
    return _Subject(fitting, torch.as_tensor(results.latents), analysis.objective(device))


def _tried(subject: _Subject, rows: Tensor, way: Way, seed: int) -> tuple[Tensor, Tensor]:
    """(m,) scores of the particles at `rows`, each half with latent and pose of the other: with the
    poses held, and with them fitted."""
    fitting, latents = subject.fitting, subject.latents
    # Each half finds its own start: that of the whole image would tell one half of the other.
    n = len(latents)
    groups = KMeans(min(_CANDIDATES, n), n_init=1, random_state=seed).fit(latents.numpy()[:20_000])
    places = torch.as_tensor(groups.cluster_centers_, dtype=latents.dtype)
    start = for_both_folds(latents.mean(0).expand(len(rows), -1))
    free = replace(way, candidates=places.to(fitting.model.device))
    given = replace(fitting, data=fitting.data.with_pose_changes(None))
    found = [
        at.scores_apart(rows, at.apart(rows, start, each), subject.objective)
        for at, each in ((given, replace(free, errors=RIGHT)), (fitting, free))
    ]
    return found[0], found[1]


def _fit_all(fitting: Fitting, latents: Tensor, way: Way, log: Log) -> Fit:
    n, watch = len(latents), Stopwatch()
    found = []
    for rows in torch.arange(n).split(max(1, -(-n // 5))):
        found.append(fitting.fit(rows, for_both_folds(latents[rows]), way))
        log(watch.event("fitting poses", int(rows[-1]) + 1, n))
    return joined(found)


@torch.no_grad()
def _in_the_given_frame(fit: Fit, changes: Tensor, fitting: Fitting) -> Tensor:
    """(n, 5) changes without what goes with the shape of the molecule."""
    model, found = fitting.model, []
    rest = model.neutral
    for latents in fit.latents.split(fitting.batch_limit.particles):
        mixtures = apply_offsets(rest, model.decoder(latents.to(model.device)))
        positions_A = mixtures.positions_A.expand(len(latents), -1, -1).cpu().numpy()
        found.append(_laid(rest.positions_A.cpu().numpy(), positions_A))
    shapes = main_shapes(along_main_axes(torch.from_numpy(np.concatenate(found))), _MAIN_SHAPE)
    return as_given_on_average(fitting.data.rotations, changes, shapes)


def _laid(rest_A: NDArray[np.float32], positions_A: NDArray[np.float32]) -> NDArray[np.float64]:
    """(B, N, 3) positions turned and shifted to lie upon (N, 3)."""
    laid = superpose(rest_A.astype(np.float64), positions_A.astype(np.float64))
    from_centre = positions_A - (laid.centre_A + laid.shifts_A)[:, None]
    return np.asarray(from_centre @ laid.rotations + laid.centre_A)


def _rms_of(changes: Tensor) -> PoseErrors:
    """Root mean square angle and shift of changes (n, 5)."""
    squares = changes.double().square()
    angle, shift = squares[:, :3].sum(1).mean().sqrt(), squares[:, 3:].sum(1).mean().sqrt()
    return PoseErrors(math.degrees(float(angle)), float(shift))


def held_out(n: int, seed: int, fraction: float) -> Tensor:
    """The particles of n that a run with this seed did not learn from, as it drew them."""
    order = np.random.default_rng(seed).permutation(n)
    return torch.from_numpy(order[: max(1, round(fraction * n))])
