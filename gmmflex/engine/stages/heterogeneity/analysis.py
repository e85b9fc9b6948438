"""The analysis itself, without any folder: what the command writes and a notebook holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.fitting.latent_readout import Readout, read_out
from gmmflex.engine.fitting.particle_evidence import Junk, find_junk
from gmmflex.engine.machine.batch_limit import batch_limit_for
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.inference.pose_errors import PoseErrors
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.stages.heterogeneity.decoder_refit import refit_decoder
from gmmflex.engine.stages.heterogeneity.explanations import best_explanation
from gmmflex.engine.stages.heterogeneity.inputs import Inputs
from gmmflex.engine.training.checkpoint import Checkpoints
from gmmflex.engine.training.earlier_run import EarlierRun
from gmmflex.engine.training.preparation import Prepared, prepare
from gmmflex.engine.training.training import Progress


@dataclass(frozen=True)
class Outcome:
    """What a run has led to: by training (prepared, whose networks are trained, and progress), by
    the fit of the latents (readout), which particles do not show the molecule (junk), and by the
    decoder's refit (refitted); pose_errors: how far the given poses are off."""

    prepared: Prepared
    progress: Progress
    readout: Readout
    junk: Junk
    refitted: Progress
    pose_errors: PoseErrors

    @property
    def latents(self) -> NDArray[np.float32]:
        """(n, d) of all particles."""
        return self.readout.latents.numpy().astype(np.float32)


@dataclass(frozen=True)
class Logs:
    """everyone: takes the lines of every process; leader: those that only the leader writes."""

    everyone: Log
    leader: Log


def prepare_analysis(
    settings: HeterogeneitySettings,
    given: Inputs,
    random: np.random.Generator,
    storage: Storage,
    logs: Logs,
) -> Prepared:
    """Read the images, and set up networks, objective and encoder inputs.

    random: of the run, fresh from its seed. Raises UserError if particles and mixture do not
    belong together.
    """
    data = read_particle_data(given.particles, given.coefficients, storage, logs.leader)
    data = data.in_symmetric_poses(given.expansion.operators)
    mixture, coefficients = given.parts.neutral.mixture, given.coefficients
    batch_limit = batch_limit_for(
        mixture.n_gaussians, coefficients, settings.batch_size, logs.everyone, storage.processes
    )
    device = torch.device(coefficients.grid.device)
    computation = Computation(device, storage, batch_limit, logs.leader)
    return prepare(settings, data, given.parts, random, computation)


def analyse(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    checkpoints: Checkpoints,
    earlier: EarlierRun | None = None,
) -> Outcome:
    """Train, fit the latents to the images, refit the decoder; `prepared.task.model` is changed.

    checkpoints: where training keeps its state, or nowhere; earlier: a run to start from. Every
    process has to call it.
    """
    best = best_explanation(settings, prepared, checkpoints, earlier)
    task, progress = best.prepared.task, best.progress
    readout = read_out(task.model, task.particles, best.by_fold, best.found, task.computation)
    # With poses that are held nothing has changed.
    task = task if progress.poses is None else task.posed(readout.poses)
    junk = find_junk(task.model, task.particles, readout.by_fold, task.computation)
    good = replace(task, particles=task.particles.learning_without(junk.listed))
    refitted = refit_decoder(good, settings, progress, readout)
    prepared = replace(best.prepared, task=task)
    return Outcome(prepared, progress, readout, junk, refitted, best.errors)
