"""`gmmflex poses`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.poses import PosesSettings


@from_settings
def poses(settings: PosesSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.poses.stage import run_poses

    run_poses(settings, overwrite)
