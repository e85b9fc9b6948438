"""`--list-decoders`: the decoders there are, those of other packages too."""

from __future__ import annotations

from typing import Annotated

import typer

from gmmflex.engine.settings.decoder_registry import BUILT_IN, decoder_names


def _list(wanted: bool) -> None:
    if wanted:
        for name in decoder_names():
            typer.echo(name if name in BUILT_IN else f"{name} (of another package)")
        raise typer.Exit


ListDecoders = Annotated[
    bool,
    typer.Option(
        "--list-decoders", callback=_list, is_eager=True, help="Names for --decoder, and no run."
    ),
]
