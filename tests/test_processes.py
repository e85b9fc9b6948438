"""Processes that work on one run: what they exchange, and that they end together."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import torch
from several_processes import torchrun

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.machine.compute import choose_device, set_threads
from gmmflex.engine.machine.processes import ALONE, Processes, joined

EXCHANGE = """
import torch
from gmmflex.engine.machine.processes import joined
with joined() as processes:
    assert processes.size == 2 and processes.local_size == 2
    assert processes.local_rank == processes.rank
    total = processes.sum(torch.tensor([processes.rank + 1.0, 10.0]))
    assert total.tolist() == [3.0, 20.0], total
    copied = processes.copy_from_leader(torch.full((3,), float(processes.rank + 5)))
    assert copied.tolist() == [5.0, 5.0, 5.0], copied
    with processes.together():
        pass
    processes.wait()
    if processes.is_leader:
        print("all exchanged", flush=True)
"""

# Process 1 finds a fault, 0 does not; what 0 does next must not happen.
FAULT = """
import sys
from pathlib import Path
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.machine.processes import joined
kind = "went on"
try:
    with joined() as processes:
        with processes.together():
            if processes.rank in {ranks}:
                raise UserError(f"row {{processes.rank}} of Å is empty: remove it")
        print("went on", flush=True)
except UserError as fault:
    kind = "fault"
    print(f"said: {{fault}}", flush=True)
    sys.exit(2)
except SystemExit as end:
    kind = f"exit {{end.code}}"
    raise
finally:
    Path(__file__).with_name(f"rank_{{processes.rank}}").write_text(kind, encoding="utf-8")
"""


def _run(path: Path, code: str, processes: int = 2) -> subprocess.CompletedProcess:
    path.write_text(code, encoding="utf-8")
    return torchrun(processes, str(path), timeout_s=120)


@pytest.mark.slow
def test_sums_and_copies(tmp_path: Path) -> None:
    done = _run(tmp_path / "exchange.py", EXCHANGE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["all exchanged"]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [(1,), (0, 1)])
def test_a_fault_of_one_ends_all_and_is_said_once(ranks: tuple[int, ...], tmp_path: Path) -> None:
    done = _run(tmp_path / "fault.py", FAULT.format(ranks=ranks))
    assert done.returncode != 0
    assert done.stdout.splitlines() == [f"said: row {ranks[0]} of Å is empty: remove it"]
    # every process came to its own end, though torchrun may hurry who is the last to leave
    ends = [(tmp_path / f"rank_{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert ends == ["fault", "exit 2"]
    assert re.search(r"exitcode *: 2", done.stderr)


def test_alone_nothing_is_exchanged() -> None:
    with joined() as processes:
        assert processes == ALONE
        assert processes.sum(torch.ones(2)).tolist() == [1.0, 1.0]
        processes.wait()
        with pytest.raises(UserError, match="as it is"), processes.together():
            raise UserError("as it is")


def test_variables_that_are_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(UserError, match="torchrun"), joined():
        pass


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_blocks_and_shares_cover_everything_once(size: int) -> None:
    worlds = [Processes(rank, size) for rank in range(size)]
    rows = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    assert [row for processes in worlds for row in processes.block(20)] == list(range(20))
    shares = torch.cat([processes.share(rows) for processes in worlds])
    assert sorted(shares.tolist()) == list(range(20))
    assert [len(processes.share(rows[:1])) for processes in worlds] == [1] + [0] * (size - 1)


def test_threads_are_shared_on_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)))
    try:
        assert set_threads(0, Processes(1, 4, 1, 4)) == 1
        assert set_threads(0, Processes(3, 4, 1, 2)) == 3
        assert set_threads(2, Processes(1, 4, 1, 4)) == 2
    finally:
        torch.set_num_threads(before)


def test_each_process_takes_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", lambda device: taken.append(device))
    second = Processes(3, 4, 1, 2)
    assert str(choose_device("auto", second)) == str(choose_device("cuda", second)) == "cuda:1"
    assert taken == [1, 1]
    assert choose_device("cpu", second).type == "cpu"
    with pytest.raises(UserError, match="one GPU but 4 processes"):
        choose_device("cuda:0", second)
    with pytest.raises(UserError, match="3 processes were started here but torch sees 2 GPUs"):
        choose_device("auto", Processes(2, 3, 2, 3))
