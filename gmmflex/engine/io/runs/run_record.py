"""What run.json keeps of the inputs and versions of a run, and whether they are still the same."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from gmmflex.version import __version__

# Stacks and trajectories are identified by their size alone, and so is whatever is larger.
_CHECKSUM_LIMIT_BYTES = 512 * 1024 * 1024
_SIZE_ONLY = {".mrcs", ".stk", ".dcd", ".xtc", ".trr"}


def describe_input(path: Path) -> dict[str, Any]:
    """Path, size in bytes and, unless it is a stack, the SHA-256 of an input."""
    size = path.stat().st_size
    entry: dict[str, Any] = {"path": str(path.resolve()), "bytes": size}
    if path.suffix.lower() not in _SIZE_ONLY and size <= _CHECKSUM_LIMIT_BYTES:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        entry["sha256"] = digest.hexdigest()
    return entry


def changed_inputs(recorded: Any, inputs: Sequence[Path]) -> list[str]:
    """In words, which inputs are not what `describe_input` said of them, wherever they lie now.

    recorded: the list in run.json; anything else, as of another version, tells nothing.
    """
    known = recorded if isinstance(recorded, list) else []
    pairs = zip((item for item in known if isinstance(item, dict)), inputs, strict=False)
    return [said for before, path in pairs if (said := _change(before, path))]


def _change(before: dict[str, Any], path: Path) -> str:
    if not path.exists():
        return f"{path} is not there any more"
    now = describe_input(path)
    if now["bytes"] != before.get("bytes"):
        return f"{path} had {before.get('bytes')} bytes, now {now['bytes']}"
    if "sha256" in before and "sha256" in now and before["sha256"] != now["sha256"]:
        return f"{path} has as many bytes as before but other content"
    return ""


def versions() -> dict[str, str]:
    """Of this package, Python and the libraries that results depend on."""
    found = {"gmmflex": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "scikit-learn", "numba", "gemmi", "mrcfile"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
