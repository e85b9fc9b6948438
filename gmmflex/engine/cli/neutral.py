"""`gmmflex neutral`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.neutral import NeutralSettings


@from_settings
def neutral(settings: NeutralSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.neutral.stage import run_neutral

    run_neutral(settings, overwrite)
