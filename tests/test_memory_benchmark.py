"""The memory benchmark runs through and says what its runs took."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_quick_runs_make_a_table(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--quick", "--folder", str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert [row[1].strip() for row in rows] == ["24", "600", "1,200"]
    # Any run of Python with torch takes more than 100 MB; these few particles take no 4 GB.
    assert all(100 < float(row[3]) < 4000 for row in rows)
    assert "1,200 particles against 600 particles: " in done.stdout
    for number in range(3):
        assert (tmp_path / f"run_{number}" / "run" / "summary.json").exists()
        assert not list((tmp_path / f"run_{number}" / "run").glob("**/*.rows"))
