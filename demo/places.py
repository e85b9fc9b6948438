"""Where the demo keeps its things; everything lies below one folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent.parent / "demo_output"
SIMULATED = OUTPUT / "simulated"
PICTURES = OUTPUT / "pictures"
SCIPION_HOME = OUTPUT / "scipion"
PROJECT_NAME = "GmmflexDemo"
PROJECT = SCIPION_HOME / "projects" / PROJECT_NAME

# pyworkflow wants a description of the computer even if nothing is ever queued.
_HOSTS = """[localhost]
PARALLEL_COMMAND = mpirun -np %_(JOB_NODES)d %_(COMMAND)s
MANDATORY = False
"""


def scipion_environment() -> dict[str, str]:
    """Environment variables with which Scipion starts from this Python; its files are made."""
    SCIPION_HOME.mkdir(parents=True, exist_ok=True)
    hosts = SCIPION_HOME / "hosts.conf"
    hosts.write_text(_HOSTS, encoding="utf-8")
    return {
        "SCIPION_HOME": str(SCIPION_HOME),
        "SCIPION_USER_DATA": str(SCIPION_HOME),
        "SCIPION_DOMAIN": "pwem",
        "SCIPION_HOSTS": str(hosts),
        "SCIPION_PYTHON": sys.executable,
        "SCIPION_PRIORITY_PACKAGE_LIST": "pwem tomo pwchem",
        "SCIPION_NOTIFY": "False",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        # Notes of Scipion's dependencies about their coming releases.
        "PYTHONWARNINGS": "ignore",
    }
