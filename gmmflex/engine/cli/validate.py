"""`gmmflex validate`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.validate import ValidateSettings


@from_settings
def validate(settings: ValidateSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.validate.stage import run_validate

    run_validate(settings, overwrite)
