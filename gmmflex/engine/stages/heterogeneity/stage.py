"""`gmmflex heterogeneity`: from particles and a neutral mixture to a latent space."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import numpy as np
import torch

from gmmflex.engine.data.particles import read_particle_data
from gmmflex.engine.fitting.latent_readout import read_out
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import (
    RunState,
    begin_run,
    clear_folder,
    refuse_changed_inputs,
    run_state,
)
from gmmflex.engine.io.runs.run_lock import only_writer
from gmmflex.engine.machine.batch_limit import batch_limit_for
from gmmflex.engine.machine.computation import Computation
from gmmflex.engine.machine.compute import choose_device, set_seed, set_threads
from gmmflex.engine.machine.processes import Processes, joined
from gmmflex.engine.machine.progress import Log, Stopwatch, print_line
from gmmflex.engine.machine.row_store import Storage, storage_in
from gmmflex.engine.parts.regions import varied_anywhere
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.stages.heterogeneity.decoder_refit import refit_decoder
from gmmflex.engine.stages.heterogeneity.inputs import Inputs, read_inputs
from gmmflex.engine.stages.heterogeneity.results import Outcome, write_results
from gmmflex.engine.training.evaluation import encode_by_fold
from gmmflex.engine.training.preparation import Prepared, prepare, resolution_of
from gmmflex.engine.training.rounds import train_in_rounds


def run_heterogeneity(
    settings: HeterogeneitySettings, overwrite: bool = False, log: Log = print_line
) -> None:
    """Train and write the run folder; an unfinished run goes on from its last epoch.

    Started by torchrun, all processes work on the same run; the first one writes and prints.
    Raises UserError for anything wrong with the input; no new folder is left behind then.
    """
    with joined() as processes, ExitStack() as held:
        with processes.together():
            if processes.is_leader:
                held.enter_context(only_writer(settings.output))
        _run(settings, overwrite, log, processes)


def _run(settings: HeterogeneitySettings, overwrite: bool, say: Log, processes: Processes) -> None:
    """say: prints in every process; all but a lack of memory is printed by the leader alone."""
    log = say if processes.is_leader else _silent
    config = settings.model_dump(mode="json")
    watch = Stopwatch()
    with processes.together():
        # The first version had no other objective.
        usual = {"objective": "frc"}
        state = run_state(settings.output, "heterogeneity", config, overwrite, usual)
    if state is RunState.FINISHED:
        log(f"{settings.output} is finished already; --overwrite would run it again")
        return
    threads = set_threads(settings.threads, processes)
    random = set_seed(settings.seed)
    with processes.together():
        device = choose_device(settings.device, processes)
        given = read_inputs(settings, device)

    with processes.together():
        if state is RunState.NEW and processes.is_leader:
            begin_run(
                settings.output,
                "heterogeneity",
                config,
                given.files(settings),
                overwrite,
                {
                    "seed": settings.seed,
                    "device": str(device),
                    "threads": threads,
                    "processes": processes.size,
                },
            )
        if processes.is_leader:
            refuse_changed_inputs(settings.output, given.files(settings))
            (settings.output / "checkpoint").mkdir(exist_ok=True)
    _say_what_is_there(given, settings, f"{device}, {threads} threads", processes, log)
    checkpoints = settings.output / "checkpoint"
    with storage_in(checkpoints, settings.memory_limit_GB, processes) as storage:
        try:
            prepared = _prepared(settings, given, random, storage, (say, log))
        except UserError:
            if state is RunState.NEW and processes.is_leader:
                # Where the disk itself has gone there is nothing to clear.
                with suppress(OSError):
                    clear_folder(settings.output)
            raise
        _train(settings, given, prepared, watch)


def _prepared(
    settings: HeterogeneitySettings,
    given: Inputs,
    random: np.random.Generator,
    storage: Storage,
    logs: tuple[Log, Log],
) -> Prepared:
    """logs: that of every process, and that of the leader alone."""
    say, log = logs
    data = read_particle_data(given.particles, given.coefficients, storage, log)
    data = data.in_symmetric_poses(given.expansion.operators)
    mixture, coefficients = given.parts.neutral.mixture, given.coefficients
    batch_limit = batch_limit_for(
        mixture.n_gaussians, coefficients, settings.batch_size, say, storage.processes
    )
    device = torch.device(coefficients.grid.device)
    computation = Computation(device, storage, batch_limit, log)
    return prepare(settings, data, given.parts, random, computation)


def _train(
    settings: HeterogeneitySettings, given: Inputs, prepared: Prepared, watch: Stopwatch
) -> None:
    task = prepared.task
    progress = train_in_rounds(settings, prepared, given.earlier)
    by_fold = encode_by_fold(task.model, task.particles.inputs, task.computation.processes)
    readout = read_out(
        task.model,
        task.particles,
        task.objective,
        by_fold,
        settings.latent_noise,
        task.computation,
    )
    refitted = refit_decoder(task, settings, progress, readout)
    outcome = Outcome(progress, readout, refitted)
    centre_A = given.parts.neutral.centre_A
    write_results(settings, given.particles, prepared, outcome, centre_A, watch)


def _say_what_is_there(
    given: Inputs, settings: HeterogeneitySettings, machine: str, processes: Processes, log: Log
) -> None:
    particles, expansion = given.particles, given.expansion
    several = f", {processes.size} processes" if processes.size > 1 else ""
    varying = int(varied_anywhere(given.parts.regions).sum())
    log(
        f"{len(particles)} particles of {particles.box_px} px, {particles.pixel_size_A:.3f} A; "
        f"{given.parts.neutral.mixture.n_gaussians} Gaussians, {varying} may vary; "
        f"resolution {resolution_of(given.coefficients):.1f} A; {machine}{several}"
    )
    if expansion.n_copies > 1:
        log(
            f"{expansion.n_copies} copies of each particle by {settings.symmetry}; {expansion.told}"
        )


def _silent(_: str) -> None:
    """What a process that is not the leader says."""
