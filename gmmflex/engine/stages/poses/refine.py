"""Poses of all particles of a run, refined, if particles that were held out say so."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.fitting.latent_fit import WHOLE
from gmmflex.engine.fitting.latent_fitting import Fitting, for_both_folds
from gmmflex.engine.fitting.pose_fit import PoseFit, learnt_frame
from gmmflex.engine.fitting.pose_fitting import PoseFitting, Spread, learnt_spread
from gmmflex.engine.machine.batch_limit import BatchLimit, batch_limit_for
from gmmflex.engine.machine.compute import choose_device
from gmmflex.engine.machine.processes import ALONE
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.inference.pose_average import as_given_on_average, main_shapes
from gmmflex.engine.model.inference.pose_frame import Frame
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.nets.model import Model
from gmmflex.engine.parts.regions import varied_anywhere
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
# Where so much of the mixture may vary, the decoder may move it as a whole.
_EVERYTHING = 0.99


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
    off: Spread
    of_frame: Spread
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
    source, results, seed = analysis.particles, run.results, settings.seed
    start = Spread(settings.angle_deg, settings.shift_A)
    device = choose_device(settings.device)
    latent_noise, seed_of_run, test_fraction = (
        run.setting(name) for name in ("latent_noise", "seed", "test_fraction")
    )
    coefficients = coefficients_of_run(run.summary, source.particles, device)
    objective = analysis.objective(device)
    storage = Storage(settings.output, settings.memory_limit_GB)
    data = read_particle_data(source.particles, coefficients, storage, log)
    data = data.with_contrast(source.contrast_sign)
    model = results.model.on(device)
    batch_limit = batch_limit_for(model.neutral.n_gaussians, coefficients, _AT_ONCE, log)
    latents = torch.as_tensor(results.latents)
    n = len(latents)
    sample = torch.linspace(0, n - 1, min(n, _SAMPLE)).long()
    varies = varied_anywhere(results.regions)
    frame = None
    if float((varies > 0).float().mean()) >= _EVERYTHING:
        frame = learnt_frame(model, latents[sample].to(device))
    fitting = PoseFitting(model, data, frame, batch_limit)
    of_latents = Fitting(model, data, batch_limit)
    way = of_latents.way(sample, for_both_folds(latents[sample]), latent_noise, None, ALONE)
    ways = fitting.ways(sample, latents[sample], way, start)
    off = learnt_spread(ways)
    log(f"poses are off by {off.angle_deg:.2f} degrees about each axis, {off.shift_A:.2f} A along")

    tried = held_out(n, int(seed_of_run), test_fraction)[:_MOST_TRIED]
    # Each half finds its own start: that of the whole image would tell one half of the other.
    groups = KMeans(min(_CANDIDATES, n), n_init=1, random_state=seed).fit(results.latents[:20_000])
    places = torch.as_tensor(groups.cluster_centers_, dtype=latents.dtype)
    apart = of_latents.apart(
        tried,
        for_both_folds(latents.mean(0).expand(len(tried), -1)),
        replace(way, candidates=places.to(device)),
    )
    before = sum(
        (of_latents.fold_scores(tried, apart[:, fold], objective, 1 - fold) for fold in WHOLE),
        start=torch.zeros(len(tried)),
    ) / len(WHOLE)
    fits = [fitting.fit(tried, apart[:, fold], ways, (fold,)) for fold in WHOLE]
    after = fitting.scores(tried, fits, objective)
    difference = (after - before).double()
    check = PoseCheck(
        len(tried),
        float(before.mean()),
        float(after.mean()),
        float(difference.std() / len(tried) ** 0.5),
    )
    fit = PoseFit(latents, torch.zeros(n, 5), torch.zeros(n, 5, 5))
    of_frame = Spread(0.0, 0.0)
    if check.gained:
        fit = fitting.fit(torch.arange(n), latents, ways, log=log)
        if frame is not None:
            kept = _in_the_given_frame(fit, model, frame, data.rotations, batch_limit)
            of_frame = _rms_of(fit.changes - kept)
            fit = replace(fit, changes=kept)
            log(
                f"what went with the shape of the molecule was removed: "
                f"{of_frame.angle_deg:.2f} degrees, {of_frame.shift_A:.2f} A RMS"
            )
    data.images.remove()
    return Refinement(
        fit.changes.numpy().astype(np.float64),
        fit.covariances.diagonal(dim1=1, dim2=2).sqrt().numpy().astype(np.float64),
        off,
        of_frame,
        check,
        after.numpy().astype(np.float64),
    )


@torch.no_grad()
def _in_the_given_frame(
    fit: PoseFit, model: Model, frame: Frame, rotations: Tensor, batch_limit: BatchLimit
) -> Tensor:
    """(n, 5) changes without what the frame does with the shape of the molecule; rotations:
    (n, 3, 3) as given."""
    found = []
    for latents in fit.latents.split(batch_limit.particles):
        mixtures = apply_offsets(model.neutral, model.decoder(latents.to(model.device)))
        positions_A = mixtures.positions_A.expand(len(latents), -1, -1)
        found.append(frame.shapes(positions_A).cpu())
    shapes = main_shapes(torch.cat(found), _MAIN_SHAPE)
    return as_given_on_average(rotations, fit.changes, shapes)


def _rms_of(changes: Tensor) -> Spread:
    """Root mean square angle and shift of changes (n, 5)."""
    squares = changes.double().square()
    angle, shift = squares[:, :3].sum(1).mean().sqrt(), squares[:, 3:].sum(1).mean().sqrt()
    return Spread(math.degrees(float(angle)), float(shift))


def held_out(n: int, seed: int, fraction: float) -> Tensor:
    """The particles of n that a run with this seed did not learn from, as it drew them."""
    order = np.random.default_rng(seed).permutation(n)
    return torch.from_numpy(order[: max(1, round(fraction * n))])
