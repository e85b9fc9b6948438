"""The Scipion plugin: configuration variables, environment and installation of the engine."""

import os
import shlex
import subprocess
import sys

import pwem
import pyworkflow.utils as pwutils
from pyworkflow import SPA

from gmmflex import constants, engine_program
from gmmflex.version import __version__

INSTALLED_FLAG = "engine_installed"
IMPORT_TIMEOUT_S = 120


class Plugin(pwem.Plugin):
    """Entry of gmmflex in Scipion."""

    # Scipion finds a plugin's folder, name and logo through the module of this class
    __module__ = "gmmflex"

    _url = "https://github.com/scipion-em/scipion-em-gmmflex"
    _supportedVersions = [__version__]
    _homeVar = constants.HOME
    _processingField = [SPA]
    _engine_faults: dict[str, list[str]] = {}

    @classmethod
    def _defineVariables(cls):
        cls._defineVar(
            constants.ENV_ACTIVATION,
            "",
            description="Shell command that activates the environment of the gmmflex engine, "
            "for example 'conda activate gmmflex' or '. /opt/gmmflex/bin/activate'. Leave it "
            "empty to use Scipion's own Python, or the environment of 'scipion installb gmmflex'.",
        )
        cls._defineEmVar(
            constants.HOME,
            f"gmmflex-{__version__}",
            description="Folder of the engine's environment made by 'scipion installb gmmflex'.",
        )

    @classmethod
    def getEnviron(cls):
        """Environment of the engine: that of Scipion without its PYTHONPATH."""
        environ = pwutils.Environ(os.environ)
        environ.pop("PYTHONPATH", None)
        environ["PYTHONUNBUFFERED"] = "1"  # progress appears in the log as it happens
        environ["MPLBACKEND"] = "Agg"
        return environ

    @classmethod
    def getEnginePython(cls) -> str:
        """Shell words that start the Python which has the engine."""
        activation = cls.getVar(constants.ENV_ACTIVATION) or ""
        conda = ""
        if activation.startswith("conda "):
            conda = cls.getCondaActivationCmd() or ""
        return engine_program.engine_python(activation, conda, cls.getHome("engine"))

    @classmethod
    def getProgram(cls, processes: int = 1) -> str:
        """Shell words that start the command `gmmflex`, in one process or in several."""
        return f"{cls.getEnginePython()} {engine_program.module_words(processes)}"

    @classmethod
    def getActiveVersion(cls, *args, **kwargs):
        return __version__

    @classmethod
    def validateInstallation(cls):
        """Empty if the engine can be imported, else what is wrong and what to do."""
        python = cls.getEnginePython()
        if python not in cls._engine_faults:
            cls._engine_faults[python] = cls._findFaults(python)
        return cls._engine_faults[python]

    @classmethod
    def _findFaults(cls, python):
        if python == shlex.quote(sys.executable):
            missing = engine_program.missing_modules()
            problem = f"Scipion's Python lacks {', '.join(missing)}." if missing else ""
        else:
            problem = cls._importEngine(python)
        if not problem:
            return []
        return [
            f"The gmmflex engine cannot run: {problem}",
            "Run 'scipion installb gmmflex', or install it into an environment of its own and "
            f"set {constants.ENV_ACTIVATION} to the command that activates it.",
        ]

    @classmethod
    def _importEngine(cls, python):
        try:
            done = subprocess.run(
                f'{python} -c "import torch, numba, gmmflex.engine.cli"',
                shell=True,
                env=cls.getEnviron(),
                capture_output=True,
                text=True,
                timeout=IMPORT_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as fault:
            return str(fault)
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return "" if done.returncode == 0 else f"'{python}' says: {lines[-1]}"

    @classmethod
    def defineBinaries(cls, env):
        """Offer a separate environment for the engine; needed only where torch is missing.

        Scipion calls this of every plugin whenever it installs anything, so it never raises.
        """
        home = cls.getHome("engine")
        if not home:
            return
        command = engine_program.environment_command(
            home, engine_program.engine_requirements(), INSTALLED_FLAG
        )
        env.addPackage(
            "gmmflex",
            version=__version__,
            tar="void.tgz",
            commands=[(command, INSTALLED_FLAG)],
            neededProgs=[],
            default=bool(engine_program.missing_modules()),
        )
