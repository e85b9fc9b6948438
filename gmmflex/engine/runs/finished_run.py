"""Whether a command has anything left to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gmmflex.engine.io.runs.run_folder import RunState, run_state
from gmmflex.engine.machine.progress import Log


def already_finished(
    output: Path, command: str, config: dict[str, Any], overwrite: bool, log: Log
) -> bool:
    """Whether `output` holds this very run, finished; then that is logged.

    Raises UserError if the folder holds something else.
    """
    if run_state(output, command, config, overwrite) is not RunState.FINISHED:
        return False
    log(f"{output} is finished already; --overwrite would run it again")
    return True
