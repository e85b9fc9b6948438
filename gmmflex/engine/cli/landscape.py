"""`gmmflex landscape`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.landscape import LandscapeSettings


@from_settings
def landscape(settings: LandscapeSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.landscape.stage import run_landscape

    run_landscape(settings, overwrite)
