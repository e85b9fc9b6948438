"""Training in memory: the analysis of `gmmflex heterogeneity` without a run folder."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gmmflex.engine.api.analysis import Analysis, Scores
from gmmflex.engine.api.mixture import Mixture, in_box_of
from gmmflex.engine.data.objectives import ObjectiveFactory, named_objective
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.io.particles import Particles, read_particle_records
from gmmflex.engine.io.runs.run_folder import (
    SUMMARY_FILE,
    RunState,
    begin_run,
    run_state,
    write_json,
)
from gmmflex.engine.io.runs.run_lock import only_writer
from gmmflex.engine.machine.compute import choose_device, set_seed, set_threads
from gmmflex.engine.machine.processes import ALONE
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.machine.progress_bars import bars_or
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.parts.regions import build_decoders
from gmmflex.engine.runs.particles import RunParticles
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.runs.settings import settings_from
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.stages.heterogeneity.analysis import Logs, Outcome, analyse, prepare_analysis
from gmmflex.engine.stages.heterogeneity.inputs import (
    Sources,
    checked_inputs,
    refuse_too_few,
)
from gmmflex.engine.stages.heterogeneity.results import finish_analysis, write_results
from gmmflex.engine.training.checkpoint import NoCheckpoints
from gmmflex.engine.training.evaluation import neutral_loss
from gmmflex.engine.training.preparation import Prepared, resolution_of

_NOWHERE = Path("in memory")
# Images and encoder inputs beyond it are kept in temporary files.
_MEMORY_GB = 8.0


@dataclass(frozen=True)
class _Made:
    """All that a run folder is written from."""

    settings: HeterogeneitySettings
    sources: Sources
    prepared: Prepared
    outcome: Outcome
    watch: Stopwatch


@dataclass(frozen=True, eq=False, repr=False)
class TrainedAnalysis(Analysis):
    """An analysis as it comes out of `train`; images stay at hand, so that it can be saved."""

    made: _Made

    def save(self, folder: str | Path, log: Log | None = None) -> Path:
        """Write the run folder that `gmmflex heterogeneity` would have written, with what came from
        memory in its folder `given`; returns the folder.

        Raises UserError if there is something else already, if the objective is known by no name,
        or if the particles are only some of those of their file.

        >>> folder = analysis.save(made.folder.with_name("saved"))
        >>> sorted(path.name for path in folder.glob("latent*.npy"))
        ['latent_covariances.npy', 'latents.npy', 'latents_by_fold.npy']
        """
        output, made = Path(folder), self.made
        _refuse_unsaved(made)
        settings = made.settings.model_copy(
            update={
                "output": output,
                "neutral": output / "given" / "neutral.cif",
                "bonds": None if made.sources.bonds is None else output / "given" / "bonds.cif",
            }
        )
        config = settings.model_dump(mode="json")
        with only_writer(output), bars_or(log) as lines:
            if run_state(output, "heterogeneity", config, overwrite=False) is not RunState.NEW:
                raise UserError(f"{output} holds a run already: give a new or empty folder")
            inputs = _write_given(settings, made.sources)
            computation = made.prepared.task.computation
            about = {"seed": settings.seed, "device": str(computation.device), "processes": 1}
            about["threads"] = torch.get_num_threads()
            begin_run(output, "heterogeneity", config, inputs, False, about)
            neutral, particles = made.sources.neutral, made.sources.particles
            summary = write_results(
                settings, particles, made.prepared, made.outcome, neutral.centre_A
            )
            finish_analysis(output, summary, made.watch, lines)
        return output


def train(
    particles: Particles,
    neutral: Mixture,
    *,
    bonds: AtomicModel | None = None,
    objective: str | ObjectiveFactory = "frc",
    log: Log | None = None,
    **settings: Any,
) -> TrainedAnalysis:
    """Find the latents of the particles, and the decoder from latents to mixtures, in memory.

    The same as `gmmflex heterogeneity` finds with the same settings and seed. bonds: a fitted model
    whose backbone is kept. objective: the score that is raised, by a registered name, or a function
    of (mean FRC, coefficients) that makes an `Objective`. log: takes each line of progress in place
    of bars. settings: all others of the command, by the names that `--config` takes: latent_dim
    (4), epochs (at most 40), decoder ("free", or another registered name), options (of such a
    decoder), resolution_A, seed (1), device ("auto"), threads, bodies, mask, symmetry, …; see
    docs/commands.md.

    Raises UserError for anything wrong with what is given.

    >>> analysis = gmmflex.train(
    ...     particles, neutral, latent_dim=2, epochs=1, encoder_sites=16, test_fraction=0.2
    ... )
    >>> analysis.latents.shape
    (40, 2)
    """
    refuse_too_few(particles)
    name, factory = _objective(objective)
    wanted = settings_from(
        HeterogeneitySettings,
        **{
            "particles": particles.source,
            "neutral": _NOWHERE,
            "output": _NOWHERE,
            "memory_limit_GB": _MEMORY_GB,
            "objective": name,
            **settings,
        },
    )
    watch = Stopwatch()
    set_threads(wanted.threads)
    random = set_seed(wanted.seed)
    device = choose_device(wanted.device)
    sources = Sources(particles, in_box_of(neutral, particles), bonds, factory)
    given = checked_inputs(wanted, sources, device)
    folder = tempfile.mkdtemp(prefix="gmmflex-")
    try:
        storage = Storage(Path(folder), wanted.memory_limit_GB, ALONE)
        with bars_or(log) as lines:
            prepared = prepare_analysis(wanted, given, random, storage, Logs(lines, lines))
            outcome = analyse(wanted, prepared, NoCheckpoints(), given.earlier)
        found = _as_analysis(_Made(wanted, sources, outcome.prepared, outcome, watch))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


def _objective(given: str | ObjectiveFactory) -> tuple[str, ObjectiveFactory]:
    """Its name and itself."""
    if isinstance(given, str):
        return given, named_objective(given)
    return getattr(given, "__qualname__", type(given).__name__), given


def _as_analysis(made: _Made) -> TrainedAnalysis:
    task, outcome = made.prepared.task, made.outcome
    data, decoders = task.particles.data, made.prepared.decoders
    results = RunResults(
        _on_cpu(made),
        task.bonds is not None,
        decoders.descriptions,
        decoders.regions,
        made.sources.neutral.centre_A,
        outcome.latents,
    )
    rows = RunParticles(
        made.sources.particles,
        data.operators.numpy().astype(np.float64),
        float(data.contrast_sign),
        resolution_of(data.coefficients),
    )
    scores = Scores(
        -neutral_loss(task), -outcome.progress.best_test_loss, -outcome.refitted.best_test_loss
    )
    readout = outcome.readout
    by_fold, covariances = (
        values.numpy().astype(np.float32) for values in (readout.by_fold, readout.covariances)
    )
    return TrainedAnalysis(results, by_fold, covariances, scores, rows.expanded, made)


def _on_cpu(made: _Made) -> Model:
    """A copy of the networks that were trained, as they are read from a run folder."""
    task, decoders, settings = made.prepared.task, made.prepared.decoders, made.settings
    neutral = task.model.neutral.to("cpu")
    encoder = Encoder(task.particles.inputs.shape[-1], settings.latent_dim)
    decoder = build_decoders(
        decoders.descriptions,
        decoders.regions,
        settings.latent_dim,
        neutral,
        settings.refine_neutral,
    )
    model = Model(encoder, decoder, neutral)
    model.load(task.model.state())
    return model


def _refuse_unsaved(made: _Made) -> None:
    """Raises UserError if what a folder says would not lead to the same run."""
    name, particles = made.settings.objective, made.sources.particles
    try:
        known = named_objective(name) == made.sources.objective
    except UserError:
        known = False
    if not known:
        raise UserError(
            f"the objective {name} is known by no name: give register_objective a name for it, and "
            "train with that name"
        )
    whole = read_particle_records(particles.source, passthrough=made.settings.passthrough)
    if not np.array_equal(particles.source_rows, np.arange(len(whole))):
        raise UserError(
            f"the {len(particles)} particles are not all of {particles.source} in its order: write "
            "them as a file of their own, load that and train again"
        )


def _write_given(settings: HeterogeneitySettings, sources: Sources) -> list[Path]:
    """The mixture, and the model whose bonds were kept; the inputs of the run, particles first."""
    folder, neutral = settings.neutral.parent, sources.neutral
    folder.mkdir(parents=True)
    mixture = neutral.mixture.to("cpu")
    write_mixture(
        settings.neutral,
        mixture.positions_A.numpy().astype(np.float64) + neutral.centre_A,
        mixture.amplitudes.numpy().astype(np.float64),
        mixture.sigmas_A.numpy().astype(np.float64),
    )
    about = {"centre_A": neutral.centre_A.tolist(), "resolution_A": neutral.resolution_A}
    write_json(folder / SUMMARY_FILE, about)
    if settings.bonds is not None and sources.bonds is not None:
        write_models(settings.bonds, [sources.bonds])
    paths = (settings.particles, settings.passthrough, settings.neutral, settings.mask)
    return [path for path in (*paths, settings.model, settings.bonds) if path is not None]
