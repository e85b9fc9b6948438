"""Settings that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gmmflex.engine.settings.options.option import Option

FinishedRun = Annotated[
    Path, Option(argument=True), Field(description="Finished run of 'gmmflex heterogeneity'.")
]
Output = Annotated[Path, Field(description="Run folder to make; an unfinished run in it goes on.")]
Seed = Annotated[int, Field(ge=0, description="Seed of all random numbers.")]
Device = Annotated[str, Field(description="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[
    int, Field(ge=0, description="CPU threads; 0 takes all that this process may use.")
]
ImageRoot = Annotated[
    Path | None, Field(description="Folder of the stacks, if not where the file says.")
]
Passthrough = Annotated[
    Path | None, Field(description="The cs file with the fields that the particles lack.")
]
MovedParticles = Annotated[
    Path | None, Field(description="The run's particles, if their file has moved since.")
]
MemoryLimit = Annotated[
    float, Field(gt=0.0, description="Images kept in memory, in GB; the rest is read from files.")
]
COMPONENT = 1
Component = Annotated[
    int | None,
    Option(empty=COMPONENT, advice="1 is the direction along which the particles spread most."),
    Field(ge=1, description="Or: go along this principal component."),
]
# What forms say of the number of states there.
ALONG_COMPONENT = "States along the component, from one end of the particles to the other."
ResiduesModel = Annotated[
    Path | None,
    Option(empty="the mixture's"),
    Field(description="Fitted model that residues refer to."),
]
