"""`gmmflex movie`."""

from __future__ import annotations

from gmmflex.engine.cli.shell.from_settings import from_settings
from gmmflex.engine.cli.shell.options import Overwrite
from gmmflex.engine.settings.movie import MovieSettings


@from_settings
def movie(settings: MovieSettings, overwrite: Overwrite = False) -> None:
    """Run the stage with what was given."""
    from gmmflex.engine.stages.movie.stage import run_movie

    run_movie(settings, overwrite)
