"""Options of `gmmflex neutral`, with bounds and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmmflex.engine.settings.options.option import Option
from gmmflex.engine.settings.options.shared import Device, Output, Seed, Threads


class NeutralSettings(BaseModel):
    """What the mixture is built from, how finely, and where Gaussians may lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Output
    map: Path | None = Field(None, description="Consensus map (MRC).")
    model: Path | None = Field(None, description="Fitted model (PDB, mmCIF).")
    mask: str = Field("auto", description="Mask file, 'auto' or 'none'.")
    resolution_A: Annotated[
        float | None,
        Option(
            empty="8; with a model that is held, how far it agrees with the map",
            advice="The mixture explains the map up to this resolution. Large motions are best "
            "looked for at 8 to 15 Å; a finer mixture needs more Gaussians and more time, and "
            "cannot be finer than twice the pixel size. Where the Gaussians of a model are held: "
            "at most 5 Å and 2.75 pixels.",
        ),
    ] = Field(None, gt=1.0, le=100.0, description="Target resolution in Å.")
    gaussians: Annotated[
        int | None,
        Option(
            advice="0: as many as the map needs to be explained up to the resolution (or as the "
            "model has atoms). Another number is taken as it is."
        ),
    ] = Field(
        None,
        ge=4,
        le=200_000,
        description="Number of Gaussians; chosen from the map if not given.",
    )
    atoms: Annotated[
        Literal["ca", "all"],
        Option(
            name="--from",
            advice="*Cα and P*: one Gaussian for each amino acid and nucleotide; right for "
            "motions of domains, and fast.\n*all atoms*: one Gaussian for each atom except "
            "hydrogen; for resolutions better than about 4 Å.",
        ),
    ] = Field("ca", description="Which atoms of the model carry Gaussians.")
    bonds: Annotated[
        bool,
        Option(
            advice="While the Gaussians of the model follow the map, the bonds and angles of its "
            "backbone are kept. Useful where the map is much better or much worse than the "
            "model. The Gaussians are fitted then, whether the model is complete or not."
        ),
    ] = Field(False, description="Keep bonds and angles of the model's backbone.")
    hold_model: Annotated[bool | None, Option(empty="if it accounts for the map")] = Field(
        None, description="Take the Gaussians of the model as they are."
    )
    box_px: int | None = Field(None, ge=8, description="Box in px, for a model without a map.")
    pixel_size_A: float | None = Field(
        None, gt=0.0, description="Pixel size in Å, for a model without a map."
    )
    seed: Seed = 1
    device: Device = "auto"
    threads: Threads = 0
