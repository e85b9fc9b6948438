"""Options of `gmmflex info` and `gmmflex convert`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import Device, ImageRoot, Passthrough, Threads


class InfoSettings(BaseModel):
    """Which file is described, and what particles are compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[Path | None, Option(argument=True)] = Field(
        None, description="A star, cs, map, stack, model or run folder."
    )
    particles: Path | None = Field(
        None, description="The same as FILE: particles to compare with --map."
    )
    map: Path | None = Field(
        None, description="Map or neutral mixture to compare the particles with."
    )
    output: Path | None = Field(None, description="Picture (PNG) of the agreement with --map.")
    passthrough: Passthrough = None
    image_root: ImageRoot = None
    device: Device = "auto"
    threads: Threads = 0


class ConvertSettings(BaseModel):
    """Which particles, and where they are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    particles: Annotated[Path, Option(argument=True)] = Field(
        description="RELION star or cryoSPARC cs."
    )
    output: Path = Field(description="Star file to write.")
    passthrough: Passthrough = None
    image_root: ImageRoot = None
