"""The demo's result against the truth of its particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.accuracy_model import motion_against_truth
from benchmarks.evaluate import knn_r2, spearman_of_first_component


def table_against_truth(run: Path, simulated: Path) -> str:
    """A few lines of text: what was measured, its value, and what it would be without analysis."""
    latents = np.load(run / "latents.npy", allow_pickle=False)
    state = np.load(simulated / "truth.npz", allow_pickle=False)["state"]
    motion = motion_against_truth(simulated, run, {})
    rows = [
        (
            "first latent component against the true state, |Spearman|",
            "",
            f"{spearman_of_first_component(latents, state):.3f}",
        ),
        (
            "true state read off the 50 nearest in latent space, R²",
            "",
            f"{knn_r2(latents, state.astype(float)):.3f}",
        ),
        (
            "median Cα RMSD to each particle's true model (Å)",
            f"{motion.unmoved_rmsd_A:.2f}",
            f"{motion.median_rmsd_A:.2f}",
        ),
    ]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{'':<{width}}  {'unmoved':>8}  {'gmmflex':>8}"]
    lines += [f"{name:<{width}}  {before:>8}  {after:>8}" for name, before, after in rows]
    return "\n".join(lines)
