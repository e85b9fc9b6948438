"""`make gui`: the demo's project in Scipion's window."""

from __future__ import annotations

import os
import subprocess
import sys

from demo.places import PROJECT, PROJECT_NAME, scipion_environment


def main() -> int:
    """Open the window and wait until it is closed."""
    if not PROJECT.is_dir():
        print("gui: error: there is no project yet: run 'make demo' first", file=sys.stderr)
        return 2
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        print(
            "gui: error: there is no display: log in with 'ssh -X', or sit at the computer itself",
            file=sys.stderr,
        )
        return 2
    # Without scipion's own launcher pyworkflow's windows need -O.
    command = [sys.executable, "-O", "-m", "pyworkflow.apps.pw_project", PROJECT_NAME]
    return subprocess.run(command, env={**os.environ, **scipion_environment()}).returncode


if __name__ == "__main__":
    sys.exit(main())
