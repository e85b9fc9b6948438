"""`gmmflex rerun`: a run again, from its run.json alone, and whether the same files come of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import RUN_FILE, SUMMARY_FILE, read_json
from gmmflex.engine.io.runs.run_record import changed_inputs, versions
from gmmflex.engine.machine.progress import Log, print_line
from gmmflex.engine.runs.same_files import compared
from gmmflex.engine.runs.settings import settings_of
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.settings.morph import MorphSettings
from gmmflex.engine.settings.movie import MovieSettings
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.settings.options.faults import KeyNames, sentences
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.settings.validate import ValidateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.landscape.stage import run_landscape
from gmmflex.engine.stages.morph.stage import run_morph
from gmmflex.engine.stages.movie.stage import run_movie
from gmmflex.engine.stages.neutral.stage import run_neutral
from gmmflex.engine.stages.poses.stage import run_poses
from gmmflex.engine.stages.reconstruct.stage import run_reconstruct
from gmmflex.engine.stages.simulate.stage import simulate
from gmmflex.engine.stages.validate.stage import run_validate


def _simulate(settings: SimulateSettings, overwrite: bool, _: Log) -> None:
    simulate(settings.model_copy(update={"overwrite": overwrite}))


@dataclass(frozen=True)
class _Command:
    kind: type[BaseModel]
    run: Callable[[Any, bool, Log], None]


COMMANDS: Mapping[str, _Command] = {
    "neutral": _Command(NeutralSettings, run_neutral),
    "heterogeneity": _Command(HeterogeneitySettings, run_heterogeneity),
    "morph": _Command(MorphSettings, run_morph),
    "movie": _Command(MovieSettings, run_movie),
    "reconstruct": _Command(ReconstructSettings, run_reconstruct),
    "poses": _Command(PosesSettings, run_poses),
    "landscape": _Command(LandscapeSettings, run_landscape),
    "validate": _Command(ValidateSettings, run_validate),
    "simulate": _Command(SimulateSettings, _simulate),
}


def run_rerun(
    run: Path, output: Path | None = None, overwrite: bool = False, log: Log = print_line
) -> None:
    """Repeat the run into `output` (RUN_rerun beside it), on the same device with as many threads,
    and say what of versions, inputs and, if the run had finished, results is not the same.

    Raises UserError if run.json does not tell how, and whatever the command itself raises.
    """
    about = read_json(run / RUN_FILE)
    command = COMMANDS.get(str(about.get("command")))
    if command is None or not isinstance(about.get("config"), dict):
        raise UserError(
            f"{run / RUN_FILE} is of no command that can be repeated: give a run folder that "
            "gmmflex wrote"
        )
    again = (output or run.with_name(f"{run.resolve().name}_rerun")).resolve()
    run = run.resolve()
    if again == run:
        raise UserError(f"--output {again} is the run itself: give another folder")
    _say_what_differs(about, log)
    settings = _settings(command.kind, about, again, run)
    with _started_in(about, log):
        log(f"gmmflex {about['command']} again, into {again}")
        command.run(settings, overwrite, log)
    if (run / SUMMARY_FILE).exists():
        _say_what_came_of_it(again, run, log)


def _settings(kind: type[BaseModel], about: dict[str, Any], output: Path, run: Path) -> BaseModel:
    where = {name: about[name] for name in ("device", "threads") if name in about}
    config = {**about["config"], **where, "output": str(output)}
    config = {name: value for name, value in config.items() if name in kind.model_fields}
    try:
        return settings_of(kind, config)
    except ValidationError as fault:
        raise UserError(
            f"{run / RUN_FILE} was not written by this version of 'gmmflex {about['command']}' "
            f"({'; '.join(sentences(fault, kind, KeyNames()))}): give the command anew"
        ) from fault


def _say_what_differs(about: dict[str, Any], log: Log) -> None:
    """Versions and inputs that are not those of the run."""
    before = about.get("versions")
    if isinstance(before, dict):
        now = versions()
        for name, version in before.items():
            if now.get(name) != version:
                log(f"warning: {name} was {version}, here it is {now.get(name, 'missing')}")
    inputs = about.get("inputs")
    listed = inputs if isinstance(inputs, list) else []
    recorded = [item for item in listed if isinstance(item, dict)]
    paths = [Path(str(item.get("path"))) for item in recorded]
    for said in changed_inputs(recorded, paths):
        log(f"warning: {said}")
    processes = about.get("processes")
    if isinstance(processes, int) and processes > 1:
        log(
            f"warning: the run was made by {processes} processes, which add up in another "
            "order: start this with torchrun likewise for the same files"
        )


@contextmanager
def _started_in(about: dict[str, Any], log: Log) -> Iterator[None]:
    """Work in the folder that the run was started in: its settings may name files from there."""
    folder, here = about.get("started_in"), Path.cwd()
    if not isinstance(folder, str) or not Path(folder).is_dir():
        if folder is not None:
            log(f"warning: {folder}, where the run was started, is not there: files are looked for")
            log(f"from {here}")
        yield
        return
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)


def _say_what_came_of_it(again: Path, run: Path, log: Log) -> None:
    same, others = compared(again, run)
    if others:
        log(f"warning: not the same as in {run}: {', '.join(others)}; {same} files are")
    else:
        log(f"all {same} files are those of {run}, byte for byte but for the time that it took")
