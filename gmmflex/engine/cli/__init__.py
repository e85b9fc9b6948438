"""The `gmmflex` command. Stages are imported only when called, so that --help is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from gmmflex.engine.cli import (
    files,
    heterogeneity,
    landscape,
    morph,
    movie,
    neutral,
    poses,
    reconstruct,
    rerun,
    select,
    simulate,
    validate,
)
from gmmflex.engine.cli.endings import told_in_words
from gmmflex.engine.cli.progress_option import with_progress
from gmmflex.version import __version__

app = typer.Typer(
    name="gmmflex",
    help="Find how a macromolecule moves, from cryo-EM particles with Gaussian mixture models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
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


app.command()(files.info)
for _command in (
    neutral.neutral,
    heterogeneity.heterogeneity,
    morph.morph,
    movie.movie,
    reconstruct.reconstruct,
    poses.poses,
    landscape.landscape,
    validate.validate,
    rerun.rerun,
    select.select,
    simulate.simulate,
    files.convert,
):
    app.command()(with_progress(_command))


def main() -> None:
    """Run the command line; see `endings` for its exit codes."""
    with told_in_words():
        app(standalone_mode=True)
