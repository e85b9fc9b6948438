"""The decoder of docs/extending.md, installed as a package of its own in a folder."""

import os
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "extending.md"


def installed(folder: Path) -> Path:
    """A folder for PYTHONPATH with the page's file and what pip leaves of its pyproject.toml."""
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    line = re.search(r'"gmmflex\.decoders"\]\n(\w+) = "([\w:]+)"\n', text)
    (folder / "elastic_modes.py").write_text(code, encoding="utf-8")
    about = folder / "elastic_modes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elastic-modes\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[gmmflex.decoders]\n{line[1]} = {line[2]}\n")
    return folder


def with_package(folder: Path) -> dict[str, str]:
    """Environment of a process that finds it."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
