"""The notebooks of docs/notebooks run from top to bottom, on small sets made on the spot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 15


@contextmanager
def one_core() -> Iterator[None]:
    """The kernel that is started inside takes one: threads that wait for each other beside other
    tests take ten times as long."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def executed(path: Path, folder: Path) -> str:
    """All that the notebook printed or returned, as text; whatever a cell raises is raised here."""
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    with one_core():
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    pictures = sum("image/png" in o.get("data", {}) for o in outputs)
    assert pictures > 0
    printed = [o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs]
    return "\n".join(printed)


@pytest.mark.slow
def test_first_analysis_finds_the_motion(tmp_path: Path) -> None:
    """Chain B slides by what it slides in truth, less what is lost at the ends."""
    printed = executed(FOLDER / "first_analysis.ipynb", tmp_path)
    places = {
        line.split(",")[1].split()[0]: [float(x) for x in line.split("[")[1].rstrip("]").split()]
        for line in printed.splitlines()
        if line.startswith("chain B along x")
    }
    decoded, true = places["decoded"], places["truth"]
    assert abs(decoded[-1] - decoded[0]) > 0.5 * abs(true[-1] - true[0])


@pytest.mark.slow
def test_own_decoder_and_loss_beat_the_neutral_mixture(tmp_path: Path) -> None:
    """Every combination comes nearer to the truth than a mixture that does not move."""
    printed = executed(FOLDER / "own_decoder_and_loss.ipynb", tmp_path)
    rows = {}
    for line in printed.splitlines():
        words = line.rsplit(maxsplit=2)
        if len(words) == 3 and words[0].split(",")[0] in ("neutral", "free", "linear"):
            rows[words[0]] = float(words[2])
    assert set(rows) == {
        "neutral",
        "free, frc",
        "free, mean-frc",
        "linear, frc",
        "linear, mean-frc",
    }
    moving = {name: value for name, value in rows.items() if name != "neutral"}
    assert max(moving.values()) < 0.9 * rows["neutral"], rows


def test_from_star_file_to_motion_in_few_lines() -> None:
    """All code of the path: what makes the example's data, and what looks closer, is tagged."""
    cells = json.loads((FOLDER / "first_analysis.ipynb").read_text())["cells"]
    path = [c for c in cells if c["cell_type"] == "code" and "tags" not in c["metadata"]]
    text = "".join("".join(c["source"]) + "\n" for c in path)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= MOST_LINES, len(lines)
    assert "load_particles" in text and ".star" in text and ".decode(" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
