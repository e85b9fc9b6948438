"""`gmmflex rerun`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.shell.options import Overwrite


def rerun(
    run: Annotated[Path, typer.Argument(help="Run folder of any gmmflex command.")],
    output: Annotated[
        Path | None, typer.Option(help="Run folder to make.  [default: RUN_rerun beside it]")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Repeat a run from its run.json alone, and report whether it gives the same files."""
    from gmmflex.engine.stages.rerun import run_rerun

    run_rerun(run, output, overwrite)
