"""`gmmflex select`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.settings.select import SelectSettings


@from_settings
def select(settings: SelectSettings) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.select.stage import run_select

    run_select(settings)
