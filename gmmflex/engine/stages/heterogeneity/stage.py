"""`gmmflex heterogeneity`: from particles and a neutral mixture to a latent space."""

from __future__ import annotations

from contextlib import ExitStack, suppress

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import (
    RunState,
    begin_run,
    clear_folder,
    refuse_changed_inputs,
    run_state,
)
from gmmflex.engine.io.runs.run_lock import only_writer
from gmmflex.engine.machine.compute import choose_device, set_seed, set_threads
from gmmflex.engine.machine.processes import Processes, joined
from gmmflex.engine.machine.progress import Log, Stopwatch, print_line
from gmmflex.engine.machine.row_store import storage_in
from gmmflex.engine.parts.regions import varied_anywhere
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.stages.heterogeneity.analysis import Logs, analyse, prepare_analysis
from gmmflex.engine.stages.heterogeneity.inputs import Inputs, read_inputs
from gmmflex.engine.stages.heterogeneity.results import finish_analysis, write_results
from gmmflex.engine.training.checkpoint import CheckpointFolder
from gmmflex.engine.training.preparation import resolution_of


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
    watch, checkpoints = Stopwatch(), CheckpointFolder(settings.output, processes)
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
            checkpoints.folder.mkdir(exist_ok=True)
    _say_what_is_there(given, settings, f"{device}, {threads} threads", processes, log)
    with storage_in(checkpoints.folder, settings.memory_limit_GB, processes) as storage:
        try:
            prepared = prepare_analysis(settings, given, random, storage, Logs(say, log))
        except UserError:
            if state is RunState.NEW and processes.is_leader:
                # Where the disk itself has gone there is nothing to clear.
                with suppress(OSError):
                    clear_folder(settings.output)
            raise
        outcome = analyse(settings, prepared, checkpoints, given.earlier)
        centre_A = given.parts.neutral.centre_A
        summary = write_results(settings, given.particles, outcome.prepared, outcome, centre_A)
        if processes.is_leader:
            # Before the end: a run that is killed in between goes on, one that has ended does not.
            storage.remove_files()
            finish_analysis(settings.output, summary, watch, log)


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
