"""Checkpoints of training: one file, replaced as a whole after every epoch, or none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.saved_state import read_saved_state
from gmmflex.engine.training.training import Epoch, Progress, write_metrics

_FILE = "state.pt"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood: the round, its progress, the optimiser's and the generator's state."""

    round: int
    progress: Progress
    weights: dict[str, torch.Tensor]
    optimiser: dict[str, Any]
    random_state: torch.Tensor


class Checkpoints(Protocol):
    """Where training keeps its state between epochs. All processes call each of these together."""

    def load(self) -> Checkpoint | None:
        """Where an interrupted training stood; None: it begins."""
        ...

    def restore(self, checkpoint: Checkpoint, model: Model, optimiser: Adam) -> None:
        """Put weights, optimiser and random generator back to where they stood."""
        ...

    def save(self, number: int, progress: Progress, model: Model, optimiser: Adam) -> None:
        """Keep what the next epoch of round `number` depends on."""
        ...


class NoCheckpoints:
    """Nothing is kept: training runs in memory, and begins anew if it is interrupted."""

    def load(self) -> Checkpoint | None:
        return None

    def restore(self, checkpoint: Checkpoint, model: Model, optimiser: Adam) -> None:
        raise ValueError("nothing was kept to go on from")

    def save(self, number: int, progress: Progress, model: Model, optimiser: Adam) -> None:
        return None


@dataclass(frozen=True)
class CheckpointFolder:
    """A checkpoint and metrics.csv in the run folder `output`, which the leader writes."""

    output: Path
    processes: Processes = ALONE

    @property
    def folder(self) -> Path:
        return self.output / "checkpoint"

    def load(self) -> Checkpoint | None:
        with self.processes.together():
            return load_checkpoint(self.folder)

    def restore(self, checkpoint: Checkpoint, model: Model, optimiser: Adam) -> None:
        with self.processes.together():
            restore(checkpoint, self.folder, model, optimiser)

    def save(self, number: int, progress: Progress, model: Model, optimiser: Adam) -> None:
        with self.processes.together():
            if self.processes.is_leader:
                save_checkpoint(self.folder, number, progress, model, optimiser)
                lines = (*progress.earlier, *progress.history)
                write_metrics(self.output / "metrics.csv", lines)


def save_checkpoint(
    folder: Path, number: int, progress: Progress, model: Model, optimiser: Adam
) -> None:
    """Write everything that the next epoch depends on."""
    folder.mkdir(exist_ok=True)
    with replacing(folder / _FILE) as temporary:
        torch.save(
            {
                "round": number,
                "history": [asdict(epoch) for epoch in progress.history],
                "earlier": [asdict(epoch) for epoch in progress.earlier],
                "best": progress.best,
                "learning_rate": progress.learning_rate,
                "drops": progress.drops,
                "bond_weight": progress.bond_weight,
                "weights": model.state(),
                "optimiser": optimiser.state_dict(),
                "random_state": torch.get_rng_state(),
            },
            temporary,
        )


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint of a run folder, or None; loaded without unpickling code."""
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        state = read_saved_state(path)
        progress = Progress(
            tuple(Epoch(**line) for line in state["history"]),
            state["best"],
            state["learning_rate"],
            state["drops"],
            tuple(Epoch(**line) for line in state["earlier"]),
            state["bond_weight"],
        )
        return Checkpoint(
            state["round"], progress, state["weights"], state["optimiser"], state["random_state"]
        )
    except (ValueError, KeyError, TypeError, OSError) as fault:
        raise UserError(
            f"checkpoint {path} cannot be read: delete it, or start again with --overwrite"
        ) from fault


def restore(checkpoint: Checkpoint, folder: Path, model: Model, optimiser: Adam) -> None:
    """Put weights, optimiser and random generator back to where they stood.

    Raises UserError if they do not fit: another version of gmmflex wrote them.
    """
    try:
        model.load(checkpoint.weights)
        optimiser.load_state_dict(checkpoint.optimiser)
    except (RuntimeError, ValueError, KeyError) as fault:
        raise UserError(
            f"checkpoint {folder / _FILE} is of another version of gmmflex: delete it, or start "
            "again with --overwrite"
        ) from fault
    torch.set_rng_state(checkpoint.random_state)
