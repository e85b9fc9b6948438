"""Particles at a time: chosen from the memory there is, fewer when it runs out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.machine import batch_limit, free_memory
from gmmflex.engine.machine.batch_limit import BatchLimit, batch_limit_for
from gmmflex.engine.machine.processes import Processes
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.scoring import coefficients_in_use

CPU_WORDS = "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you"


@pytest.mark.parametrize(
    "fault",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(CPU_WORDS),
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        MemoryError(),
    ],
)
def test_half_as_many_until_they_fit(fault: BaseException) -> None:
    lines: list[str] = []
    tried: list[int] = []

    def work(at_once: int) -> str:
        tried.append(at_once)
        if at_once > 8:
            raise fault
        return "done"

    batch_limit = BatchLimit(50, lines.append)
    assert batch_limit.retried(work) == "done"
    assert tried == [50, 25, 13, 7] and batch_limit.particles == 7
    assert [line.split(":")[0] for line in lines] == ["memory ran out"] * 3
    assert "7 particles at a time" in lines[-1]
    # what was learnt holds from then on
    assert batch_limit.retried(work) == "done" and tried[-1] == 7


def test_one_particle_that_does_not_fit_is_the_users_matter() -> None:
    def work(at_once: int) -> None:
        raise RuntimeError(CPU_WORDS)

    with pytest.raises(UserError, match="not enough memory for a single particle: give fewer"):
        BatchLimit(4, lambda _: None).retried(work)


def test_other_faults_are_not_hidden() -> None:
    def work(at_once: int) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        BatchLimit(4, lambda _: None).retried(work)


def test_memory_of_tensors_is_there_again_for_the_next_try() -> None:
    """What the failed try had made is not held on to."""
    made: list[object] = []

    class Large:
        def __del__(self) -> None:
            made.append("freed")

    def work(at_once: int) -> list[object]:
        large = Large()
        if at_once > 1:
            raise MemoryError
        before = list(made)
        del large
        return before

    assert BatchLimit(2, lambda _: None).retried(work) == ["freed"]


def test_fewer_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    coefficients = coefficients_in_use(FourierGrid(256, 1.0, 127), 2, 127)
    lines: list[str] = []
    monkeypatch.setattr(batch_limit, "free_memory_bytes", lambda *_: 2**36)
    assert batch_limit_for(8000, coefficients, 64, lines.append).particles == 64 and not lines
    # a tenth of a gigabyte: a few planes of 512 x 512
    monkeypatch.setattr(batch_limit, "free_memory_bytes", lambda *_: 100_000_000)
    few = batch_limit_for(8000, coefficients, 64, lines.append, Processes(1, 2)).particles
    assert 1 < few < 20
    assert lines == [f"process 1: memory for {few} particles at a time"]
    monkeypatch.setattr(batch_limit, "free_memory_bytes", lambda *_: 1000)
    assert batch_limit_for(8000, coefficients, 64, lines.append).particles == 1


def _group(folder: Path, most: str, used: str, stat: str, names: tuple[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip((*names, "memory.stat"), (most, used, stat), strict=True):
        (folder / name).write_text(f"{text}\n", encoding="ascii")


def test_limits_of_control_groups_of_both_kinds(tmp_path: Path) -> None:
    second, membership = ("memory.max", "memory.current"), tmp_path / "cgroup"
    job = tmp_path / "slurm" / "job_7"
    _group(job, "max", "500", "inactive_file 100", second)
    _group(job.parent, "4000", "1500", "anon 3\ninactive_file 200", second)
    membership.write_text("0::/slurm/job_7\n", encoding="utf-8")
    assert list(free_memory._left_in_groups(membership, tmp_path))[1:] == [4000 - 1500 + 200]

    first = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    _group(tmp_path / "memory" / "box", "9000", "8000", "total_inactive_file 50", first)
    membership.write_text("8:pids:/\n4:memory:/box\n0::/\n", encoding="utf-8")
    assert list(free_memory._left_in_groups(membership, tmp_path))[1:] == [1050]
    assert list(free_memory._left_in_groups(tmp_path / "none", tmp_path))[1:] == []


def test_memory_of_this_machine_is_shared_by_its_processes() -> None:
    alone = free_memory.free_memory_bytes(torch.device("cpu"))
    shared = free_memory.free_memory_bytes(torch.device("cpu"), Processes(1, 8, 1, 4))
    assert 2**26 < alone < 2**44
    assert shared == pytest.approx(alone / 4, rel=0.2)


def test_memory_of_a_gpu_is_what_is_free_and_what_torch_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (1000, 5000))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 700)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 300)
    # each process has a GPU of its own, so nothing is divided
    processes = Processes(1, 4, 1, 4)
    assert free_memory.free_memory_bytes(torch.device("cuda:1"), processes) == 1400
