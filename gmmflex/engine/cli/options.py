"""What several commands share: options, and settings checked with one sentence for a fault."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from gmmflex.engine.io.errors import UserError


class Atoms(str, Enum):
    ca = "ca"
    all = "all"


Output = Annotated[Path, typer.Option(help="Run folder to make; an unfinished run in it goes on.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Delete an earlier run in --output.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 takes all that this process may use.")]
ImageRoot = Annotated[
    Path | None, typer.Option(help="Folder of the stacks, if not where the file says.")
]
FinishedRun = Annotated[Path, typer.Argument(help="Finished run of 'gmmflex heterogeneity'.")]
MovedParticles = Annotated[
    Path | None,
    typer.Option("--particles", help="The run's particles, if their file has moved since."),
]
MemoryLimit = Annotated[
    float, typer.Option(help="Images kept in memory, in GB; the rest is read from files.")
]
Passthrough = Annotated[
    Path | None, typer.Option(help="The cs file with the fields that the particles lack.")
]


def validated(kind: type[Any], /, **values: Any) -> Any:
    """Validated settings; a value out of range becomes one sentence."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as fault:
        raise UserError(_sentence(fault)) from fault


def _sentence(fault: Any) -> str:
    first = fault.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    name, value = ".".join(str(part) for part in first["loc"]), first.get("input")
    if not name:
        return str(message)
    # All the settings of a decoder, say, would hide what is wrong with them.
    shown = "" if isinstance(value, (dict, list, tuple)) else f" = {value!r}"
    return f"{name}{shown} is not allowed: {message}"
