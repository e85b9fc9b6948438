"""The commands of `gmmflex`; each is imported only when it is called, so that --help is quick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gmmflex.engine.cli.shell.progress_option import with_progress


@dataclass(frozen=True)
class Command:
    """about: its help; module: where in this package its function stands, if not under its name;
    lasts: whether it runs for a while, and has --progress."""

    about: str
    module: str = ""
    lasts: bool = True


COMMANDS: Mapping[str, Command] = {
    "info": Command(
        "Show what a file holds, with units, and what looks wrong; with --map, whether particles "
        "and map fit together and what is wrong if not.",
        module="files",
        lasts=False,
    ),
    "neutral": Command("Build the neutral Gaussian mixture from a map, a fitted model, or both."),
    "heterogeneity": Command(
        "Find the latent space of a set of particles: how each one differs from the mixture."
    ),
    "morph": Command("Carry the motion of a run to all atoms of a fitted model."),
    "movie": Command(
        "Make a movie of the motion (GIF, MP4), and maps and models with a slider for ChimeraX."
    ),
    "reconstruct": Command("Reconstruct maps of the states of a run from its particles."),
    "poses": Command(
        "Refine orientations and origins against what each particle's own latent decodes to."
    ),
    "landscape": Command(
        "Show what a run found: density, clusters, paths through the states, star files, a report."
    ),
    "validate": Command(
        "Test which motion of a run is reproducible and which noise alone would give."
    ),
    "rerun": Command(
        "Repeat a run from its run.json alone, and report whether it gives the same files."
    ),
    "select": Command("Write particles of a part of the latent space as a star or cs file."),
    "simulate": Command("Make particles with a known truth from the states of a molecule."),
    "convert": Command(
        "Write particles as a RELION 3.1 star file with absolute image paths.", module="files"
    ),
}
_LOOKS: Mapping[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}


class _Imported(Mapping[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        return _made(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Group(TyperGroup):
    """`gmmflex`, which knows its commands' names and first sentences without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Imported()  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands with what each does."""
        width = formatter.width - 6 - max(map(len, COMMANDS))
        rows = [
            (name, TyperCommand(name, help=command.about).get_short_help_str(width))
            for name, command in COMMANDS.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def application(**attributes: Any) -> typer.Typer:
    """The command line of which `COMMANDS` are the commands."""
    return typer.Typer(cls=Group, **_LOOKS, **attributes)


@cache
def _made(name: str) -> Any:
    command = COMMANDS[name]
    module = import_module(f"gmmflex.engine.cli.{command.module or name}")
    function = getattr(module, name)
    alone = typer.Typer(**_LOOKS)
    alone.command(name, help=command.about)(with_progress(function) if command.lasts else function)
    return typer.main.get_command(alone)
