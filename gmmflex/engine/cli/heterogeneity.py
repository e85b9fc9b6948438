"""`gmmflex heterogeneity`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings_or_config
from gmmflex.engine.cli.shell.list_decoders import ListDecoders
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings


@from_settings_or_config
def heterogeneity(
    settings: HeterogeneitySettings,
    list_decoders: ListDecoders = False,
    overwrite: Overwrite = False,
) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity

    run_heterogeneity(settings, overwrite)
