"""The `gmmflex` command."""

from __future__ import annotations

from typing import Annotated

import typer

from gmmflex.engine.cli.commands import application
from gmmflex.engine.cli.shell.endings import told_in_words
from gmmflex.version import __version__

app = application(
    name="gmmflex",
    help="Find how a macromolecule moves, from cryo-EM particles with Gaussian mixture models.",
    no_args_is_help=True,
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"gmmflex {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options that stand before a command."""


def main() -> None:
    """Run the command line; see `endings` for its exit codes."""
    with told_in_words():
        app(standalone_mode=True)
