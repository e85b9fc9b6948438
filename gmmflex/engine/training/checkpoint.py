"""Checkpoints of training: one file, replaced as a whole after every epoch, or none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from gmmflex.engine.fitting.fold_poses import Poses
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.processes import ALONE, Processes
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.saved_state import read_saved_state
from gmmflex.engine.training.training import Epoch, Progress, write_metrics

_FILE, _FILE_OF_FREE_POSES = "state.pt", "free_poses.pt"


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

    def of_free_poses(self) -> Checkpoints:
        """Those of the training with free poses, which follows that with the given ones."""
        ...

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

    def of_free_poses(self) -> NoCheckpoints:
        return self

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
    file: str = _FILE

    def of_free_poses(self) -> CheckpointFolder:
        return replace(self, file=_FILE_OF_FREE_POSES)

    @property
    def folder(self) -> Path:
        return self.output / "checkpoint"

    def load(self) -> Checkpoint | None:
        with self.processes.together():
            return load_checkpoint(self.folder, self.file)

    def restore(self, checkpoint: Checkpoint, model: Model, optimiser: Adam) -> None:
        with self.processes.together():
            restore(checkpoint, self.folder / self.file, model, optimiser)

    def save(self, number: int, progress: Progress, model: Model, optimiser: Adam) -> None:
        with self.processes.together():
            if self.processes.is_leader:
                self.folder.mkdir(exist_ok=True)
                save_checkpoint(self.folder / self.file, number, progress, model, optimiser)
                lines = (*progress.earlier, *progress.history)
                write_metrics(self.output / "metrics.csv", lines)


def save_checkpoint(
    path: Path, number: int, progress: Progress, model: Model, optimiser: Adam
) -> None:
    """Write everything that the next epoch depends on."""
    with replacing(path) as temporary:
        torch.save(
            {
                "round": number,
                "history": [asdict(epoch) for epoch in progress.history],
                "earlier": [asdict(epoch) for epoch in progress.earlier],
                "best": progress.best,
                "learning_rate": progress.learning_rate,
                "drops": progress.drops,
                "bond_weight": progress.bond_weight,
                "best_test_loss": progress.best_test_loss,
                "poses": None if progress.poses is None else progress.poses.as_saved(),
                "weights": model.state(),
                "optimiser": optimiser.state_dict(),
                "random_state": torch.get_rng_state(),
            },
            temporary,
        )


def load_checkpoint(folder: Path, file: str = _FILE) -> Checkpoint | None:
    """The checkpoint of a run folder, or None; loaded without unpickling code."""
    path = folder / file
    if not path.exists():
        return None
    try:
        state = read_saved_state(path)
        history = tuple(Epoch(**line) for line in state["history"])
        # Earlier versions kept neither the one nor the other.
        best_test_loss = state.get("best_test_loss", min(line.test_loss for line in history))
        poses = state.get("poses")
        progress = Progress(
            history,
            state["best"],
            best_test_loss,
            state["learning_rate"],
            state["drops"],
            tuple(Epoch(**line) for line in state["earlier"]),
            state["bond_weight"],
            None if poses is None else Poses.of_saved(poses),
        )
        return Checkpoint(
            state["round"], progress, state["weights"], state["optimiser"], state["random_state"]
        )
    except (ValueError, KeyError, TypeError, OSError) as fault:
        raise UserError(
            f"checkpoint {path} cannot be read: delete it, or start again with --overwrite"
        ) from fault


def restore(checkpoint: Checkpoint, path: Path, model: Model, optimiser: Adam) -> None:
    """Put weights, optimiser and random generator back to where they stood.

    Raises UserError if they do not fit: another version of gmmflex wrote them.
    """
    try:
        model.load(checkpoint.weights)
        optimiser.load_state_dict(checkpoint.optimiser)
    except (RuntimeError, ValueError, KeyError) as fault:
        raise UserError(
            f"checkpoint {path} is of another version of gmmflex: delete it, or start "
            "again with --overwrite"
        ) from fault
    torch.set_rng_state(checkpoint.random_state)
