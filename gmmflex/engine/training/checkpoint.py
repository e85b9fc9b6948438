"""Checkpoints of training: one file, replaced as a whole after every epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.saved_state import read_saved_state
from gmmflex.engine.training.training import Epoch, Progress

_FILE = "state.pt"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood: the round, its progress, the optimiser's and the generator's state."""

    round: int
    progress: Progress
    weights: dict[str, torch.Tensor]
    optimiser: dict[str, Any]
    random_state: torch.Tensor


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
