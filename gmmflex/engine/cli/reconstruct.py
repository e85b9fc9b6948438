"""`gmmflex reconstruct`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.reconstruct import ReconstructSettings


@from_settings
def reconstruct(settings: ReconstructSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.reconstruct.stage import run_reconstruct

    run_reconstruct(settings, overwrite)
