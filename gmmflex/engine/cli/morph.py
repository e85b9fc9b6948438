"""`gmmflex morph`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.morph import MorphSettings


@from_settings
def morph(settings: MorphSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.morph.stage import run_morph

    run_morph(settings, overwrite)
