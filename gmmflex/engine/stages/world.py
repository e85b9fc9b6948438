"""The processes that train together: one, or several started by torchrun."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True)
class World:
    """This process's place among all that work on the same run.

    rank: from 0, the leader, which alone writes results and prints; size: number of processes.
    With size 1 nothing is exchanged.
    """

    rank: int = 0
    size: int = 1

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
        if self.size > 1:
            dist.barrier()


ALONE = World()
