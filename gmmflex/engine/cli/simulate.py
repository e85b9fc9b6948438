"""`gmmflex simulate`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.settings.simulate import SimulateSettings


@from_settings
def simulate(settings: SimulateSettings) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.simulate.stage import simulate as run_simulate

    run_simulate(settings)
