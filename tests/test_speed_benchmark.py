"""The speed benchmark runs on tiny cases, keeps its bounds of accuracy and writes its section."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import speed_device, speed_tables, timing
from benchmarks.speed_accuracy import errors
from benchmarks.speed_cases import Case, problem_of
from benchmarks.speed_operation import (
    complex_product,
    dense_product,
    ours,
    parts_of_reference,
    published_formula,
)

HERE = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")


def tables_of(text):
    """Each table as (head, lines), every row a list of cells."""
    blocks = re.findall(r"(?:^\|.*\|\n?)+", text, flags=re.MULTILINE)
    rows = [[line.strip("|\n").split("|") for line in b.splitlines()] for b in blocks]
    return [([cell.strip() for cell in head], lines) for head, _, *lines in rows]


@pytest.mark.slow
def test_quick_run_prints_every_table():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks.speed", "--quick", "--device", "cpu"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "There is no GPU here" in done.stdout
    operation, accuracy, training, start, whole = tables_of(done.stdout)
    for head, lines in (operation, accuracy, training, start, whole):
        assert lines
        assert all(len(line) == len(head) for line in lines)
    assert operation[0][2:6] == ["ours", "dense product", "complex product", "published formula"]
    assert {line[-1].strip() for line in accuracy[1]} == {"yes"}
    assert [line[1].strip() for line in training[1]] == [
        "positions",
        "positions",
        "positions, amplitudes, widths",
    ]
    assert whole[1][-1][0].strip() == "**sum**"


@pytest.mark.parametrize("size", [Case(60, 32, 2), Case(100, 64, 2), Case(300, 64, 2)])
def test_errors_are_within_bounds_over_widths_and_resolutions(size):
    found = errors((size,), CPU)
    assert len(found) == 15
    outside = [error for error in found if not error.within_bounds]
    assert not outside


def test_all_ways_give_the_same_numbers(monkeypatch):
    """Also when the published formula has to go through the Gaussians in parts."""
    problem = problem_of(Case(70, 32, 3)).to(CPU, torch.float64)
    exact = dense_product(problem)
    others = [complex_product(problem), published_formula(problem)]
    monkeypatch.setattr("benchmarks.speed_operation._BYTES_OF_PART", 3e5)
    assert parts_of_reference(problem) > 5
    others.append(published_formula(problem))
    for other in others:
        for name in ("loss", "positions", "amplitudes", "widths"):
            torch.testing.assert_close(getattr(other, name), getattr(exact, name))
    single = ours(problem_of(Case(70, 32, 3)))
    assert float(single.loss) == pytest.approx(float(exact.loss), rel=1e-4)


def test_times_are_taken_in_turns():
    calls = []
    contestants = {
        name: timing.Contestant(lambda name=name: calls.append(name) or timing.time.sleep(0.06))
        for name in ("a", "b")
    }
    found = timing.in_turns(contestants, rounds=3, budget_s=10.0)
    assert calls[-6:] == ["a", "b", "a", "b", "a", "b"]
    assert all(len(times.seconds) == 3 for times in found.values())
    assert all(0.06 <= times.median < 0.5 for times in found.values())


def test_what_is_too_slow_is_called_once():
    calls = []
    slow = timing.Contestant(lambda: calls.append(1) or timing.time.sleep(0.06), work=2)
    found = timing.in_turns({"slow": slow}, rounds=5, budget_s=0.01)["slow"]
    assert len(calls) == len(found.seconds) == 1
    assert found.median >= 0.03


def test_section_is_replaced_between_its_markers(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{speed_tables.BEGIN}\nold\n{speed_tables.END}\nafter\n")
    speed_tables.write_section(path, "new")
    speed_tables.write_section(path, "newer")
    expected = f"before\n{speed_tables.BEGIN}\nnewer\n{speed_tables.END}\nafter\n"
    assert path.read_text() == expected
    path.write_text("no markers")
    with pytest.raises(ValueError, match="no section"):
        speed_tables.write_section(path, "new")
    assert speed_tables.BEGIN in (HERE / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def test_gpu_part_on_a_stand_in(monkeypatch):
    """Its numbers mean nothing on a processor, but every line of it runs."""
    monkeypatch.setattr(speed_device, "_COPIED_BYTES", 2**16)
    monkeypatch.setattr(speed_device, "_MATRIX", 32)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3.21e9)
    case = Case(400, 48, 4)
    measured = speed_device.peaks(CPU, 2)
    row = speed_device.reached(case, measured, 2, CPU)
    assert row.bytes_each is not None
    # a splat grid for 48 px has 48² to 144² pixels, moved about 14 times
    assert 4 * 14 * 48**2 < row.bytes_each < 4 * 14 * 144**2
    assert row.share_of_bandwidth == pytest.approx(
        row.particles_per_s * row.bytes_each / measured.bytes_per_s
    )
    memory_GB = speed_device.peak_memory_GB(case, CPU)
    text = speed_tables.gpu_table(measured, [row], case, memory_GB)
    assert "at most 3.21 GB" in text
    ((head, lines),) = tables_of(text)
    assert len(head) == len(lines[0])
