"""The `gmmflex` command. Stages are imported only when called, so that --help is quick."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from gmmflex import __version__
from gmmflex.engine.io.errors import UserError

app = typer.Typer(
    name="gmmflex",
    help="Find how a macromolecule moves, from cryo-EM particles with Gaussian mixture models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Atoms(str, Enum):
    ca = "ca"
    all = "all"


Output = Annotated[Path, typer.Option(help="Run folder to make; an unfinished run in it goes on.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Delete an earlier run in --output.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 takes all that this process may use.")]


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


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A star, cs, map, stack, model or run folder.")],
) -> None:
    """Show what a file holds, with units, and what looks wrong."""
    from gmmflex.engine.stages.info import describe

    typer.echo(str(describe(file)))


@app.command()
def neutral(
    output: Output,
    map: Annotated[Path | None, typer.Option(help="Consensus map (MRC).")] = None,
    model: Annotated[Path | None, typer.Option(help="Fitted model (PDB, mmCIF).")] = None,
    mask: Annotated[str, typer.Option(help="Mask file, 'auto' or 'none'.")] = "auto",
    resolution: Annotated[float, typer.Option(help="Target resolution in Å.")] = 8.0,
    gaussians: Annotated[
        int | None, typer.Option(help="Number of Gaussians; chosen from the map if not given.")
    ] = None,
    from_: Annotated[
        Atoms, typer.Option("--from", help="Which atoms of the model carry Gaussians.")
    ] = Atoms.ca,
    box: Annotated[int | None, typer.Option(help="Box in px, for a model without a map.")] = None,
    pixel_size: Annotated[
        float | None, typer.Option(help="Pixel size in Å, for a model without a map.")
    ] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Build the neutral Gaussian mixture from a map, a fitted model, or both."""
    from gmmflex.engine.stages.neutral import NeutralSettings, run_neutral

    settings = _settings(
        NeutralSettings,
        output=output,
        map=map,
        model=model,
        mask=mask,
        resolution_A=resolution,
        gaussians=gaussians,
        atoms=from_.value,
        box_px=box,
        pixel_size_A=pixel_size,
        seed=seed,
        device=device,
        threads=threads,
    )
    run_neutral(settings, overwrite)


def _settings(kind: type[Any], /, **values: Any) -> Any:
    """Validated settings; a value out of range becomes one sentence."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as fault:
        raise UserError(_sentence(fault)) from fault


def _sentence(fault: Any) -> str:
    first = fault.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    return f"{name} = {first.get('input')!r} is not allowed: {first['msg']}"


def main() -> None:
    """Run the command line: exit code 0, or 2 for anything the user can put right."""
    # Typer's own usage errors already exit with 2.
    try:
        app(standalone_mode=True)
    except UserError as fault:
        print(f"gmmflex: error: {' '.join(str(fault).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
