"""The processes that train together: one, or several started by torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

from gmmflex.engine.io.errors import UserError

# A process that has ended breaks the connection at once, so patience costs nothing; the leader
# may be writing a million latents while the others wait.
_PATIENCE = timedelta(hours=3)


@dataclass(frozen=True)
class Processes:
    """This process's place among all that work on the same run.

    rank: from 0, the leader, which alone writes results and prints; size: number of processes;
    local_rank, local_size: the same among the processes of this machine.
    With size 1 nothing is exchanged.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_leader(self) -> bool:
        return self.rank == 0

    def block(self, n: int) -> range:
        """The contiguous rows of 0 … n − 1 that are this process's; together they cover all."""
        return range(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def share(self, rows: Tensor) -> Tensor:
        """Every size-th of `rows`, starting at the rank: this process's part of a batch."""
        return rows[self.rank :: self.size]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place; every process gets it."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def copy_from_leader(self, values: Tensor) -> Tensor:
        """The leader's values, in place."""
        if self.size > 1:
            dist.broadcast(values, src=0)
        return values

    def wait(self) -> None:
        """Until every process has come here."""
        # On the CPU: a barrier of nccl would ask each process for its GPU.
        self.sum(torch.zeros(1))

    @contextmanager
    def together(self) -> Iterator[None]:
        """A UserError that any process raises in this block ends all of them, reported once.

        Every process has to come to the end of the block or raise UserError, and nothing may be
        exchanged within it. The leader raises the sentence of the first process that has one,
        the others leave with exit code 2.
        """
        fault: UserError | None = None
        try:
            yield
        except UserError as raised:
            if self.size == 1:
                raise
            fault = raised
        if self.size == 1:
            return
        first = torch.tensor([self.size if fault is None else self.rank])
        dist.all_reduce(first, op=dist.ReduceOp.MIN)
        if int(first) == self.size:
            return
        sentence = _text_from(int(first), "" if fault is None else str(fault))
        if self.is_leader:
            raise UserError(sentence) from fault
        raise SystemExit(2)


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started with this one; leave them at the end.

    Alone if there are no others. Tensors on the CPU are exchanged by gloo, those on a GPU by nccl.
    """
    try:
        size, rank, local_size, local_rank = (
            int(os.environ.get(name, default))
            for name, default in (
                ("WORLD_SIZE", "1"),
                ("RANK", "0"),
                ("LOCAL_WORLD_SIZE", "1"),
                ("LOCAL_RANK", "0"),
            )
        )
    except ValueError as fault:
        raise UserError(
            f"WORLD_SIZE, RANK, LOCAL_WORLD_SIZE or LOCAL_RANK is no number ({fault}): start "
            "several processes with torchrun, which sets them"
        ) from fault
    if size == 1:
        yield ALONE
        return
    with_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if with_gpus else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(rank, size, local_rank, local_size)
    finally:
        dist.destroy_process_group()


def _text_from(rank: int, text: str) -> str:
    """The text that one process has, on all."""
    encoded = bytearray(text.encode())
    length = torch.tensor([len(encoded)])
    dist.broadcast(length, src=rank)
    values = torch.zeros(int(length), dtype=torch.uint8)
    if dist.get_rank() == rank:
        values.copy_(torch.frombuffer(encoded, dtype=torch.uint8))
    dist.broadcast(values, src=rank)
    return bytes(values.tolist()).decode()
