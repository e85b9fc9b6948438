"""Which program runs the engine, and what makes an environment for it.

The engine needs torch, which Scipion's own environment may not have. In order of preference:
the environment that the user activates (GMMFLEX_ENV_ACTIVATION), the Python that runs Scipion
if torch can be imported there, the environment that `scipion installb gmmflex` made.
"""

import re
import shlex
import sys
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "scipion-em-gmmflex"
NEEDED_MODULES = ("torch", "numba", "gemmi", "mrcfile", "pydantic", "typer", "safetensors", "roma")
MODULE = "gmmflex"


def missing_modules(modules: Iterable[str] = NEEDED_MODULES) -> list[str]:
    """Modules of the engine that this Python cannot find; none of them gets imported."""
    return [name for name in modules if find_spec(name) is None]


def engine_python(activation: str, conda_activation: str, home: str) -> str:
    """Shell words that start the Python which has the engine.

    activation: what the user wrote into GMMFLEX_ENV_ACTIVATION; may be empty.
    conda_activation: what makes `conda activate` known to a shell, ending in `&&`; may be empty.
    home: folder of the environment that `defineBinaries` makes.
    """
    if activation:
        start = conda_activation if activation.startswith("conda ") else ""
        return f"{start} {activation} && python".strip()
    own = Path(home) / "bin" / "python"
    if missing_modules() and own.exists():
        return shlex.quote(str(own))
    return shlex.quote(sys.executable)


def module_words(processes: int) -> str:
    """What makes a Python run `gmmflex`: itself, or torchrun so many processes of it."""
    if processes == 1:
        return f"-m {MODULE}"
    return f"-m torch.distributed.run --standalone --nproc_per_node={processes} -m {MODULE}"


def engine_requirements() -> list[str]:
    """Requirements of the engine (base and extra `engine`), as the installed plugin states them."""
    try:
        stated = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return list(NEEDED_MODULES)
    wanted = []
    for line in stated:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        if extra is None or extra.group(1) == "engine":
            wanted.append(requirement)
    return wanted


def environment_command(home: str, requirements: Iterable[str], flag: str) -> str:
    """Shell command that makes the engine's environment in `home` and then the file `flag`.

    A plain venv with pip: PIP_INDEX_URL, PIP_FIND_LINKS and PIP_NO_INDEX work as always, so it
    also installs without network from a folder of wheels. The package itself is copied, so the
    engine always has the version of the plugin.
    """
    package = Path(__file__).resolve().parent
    python = shlex.quote(str(Path(home) / "bin" / "python"))
    copy = (
        "import shutil, sysconfig; "
        f"shutil.copytree({str(package)!r}, sysconfig.get_path('purelib') + '/{MODULE}', "
        "dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__'))"
    )
    needed = " ".join(shlex.quote(requirement) for requirement in requirements)
    parts = [f"{shlex.quote(sys.executable)} -m venv {shlex.quote(home)}"]
    if needed:
        parts.append(f"{python} -m pip install {needed}")
    parts.append(f"{python} -c {shlex.quote(copy)}")
    parts.append(f"touch {shlex.quote(flag)}")
    return " && ".join(parts)
