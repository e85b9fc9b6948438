"""The files of a finished heterogeneity run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from gmmflex.engine.io.particles import Particles
from gmmflex.engine.io.runs.run_folder import finish_run
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.nets.architecture import Architecture
from gmmflex.engine.runs.arrays import BY_FOLD, POSE_CHANGES
from gmmflex.engine.runs.junk_column import JUNK_LABEL
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.stages.heterogeneity.analysis import Outcome
from gmmflex.engine.stages.heterogeneity.junk_picture import draw_junk
from gmmflex.engine.stages.heterogeneity.motion_reports import report_motions
from gmmflex.engine.stages.heterogeneity.output import draw_training, write_latents
from gmmflex.engine.training.bonds import TARGET_A
from gmmflex.engine.training.evaluation import neutral_loss
from gmmflex.engine.training.preparation import Prepared, resolution_of
from gmmflex.engine.training.rounds import all_epochs
from gmmflex.engine.training.training import write_metrics


def write_results(
    settings: HeterogeneitySettings,
    particles: Particles,
    prepared: Prepared,
    outcome: Outcome,
    centre_A: NDArray[np.float64],
) -> dict[str, Any]:
    """The leader writes all files but summary.json, whose entries it returns; every process calls
    it, the others get none.

    centre_A: (3,) box centre in the frame of the files.
    """
    task, output = prepared.task, settings.output
    score_neutral = -neutral_loss(task.posed(None))
    score_posed = -neutral_loss(task)
    if not task.computation.processes.is_leader:
        return {}
    _write_weights(settings, prepared, centre_A)
    write_metrics(output / "metrics.csv", all_epochs(outcome.progress))
    operators = task.particles.data.operators.numpy().astype(np.float64)
    junk = outcome.junk
    write_latents(output, particles, outcome.latents, operators, {JUNK_LABEL: junk.probability})
    draw_junk(output / "junk.png", junk)
    readout, refitted = outcome.readout, outcome.refitted
    for name, values in (
        ("latent_covariances", readout.covariances),
        (BY_FOLD, readout.by_fold),
        (POSE_CHANGES, readout.poses.changes),
    ):
        with replacing(output / f"{name}.npy") as temporary:
            np.save(temporary, values.numpy().astype(np.float32))
    history = outcome.progress.history
    draw_training(output / "training.png", history, score_neutral, -refitted.best_test_loss)
    return {
        **_summary(settings, prepared, outcome, score_neutral),
        "latent_reliability": readout.reliability,
        "poses_off": asdict(outcome.pose_errors),
        "poses_held": outcome.progress.poses is None,
        "test_score_neutral_in_found_poses": score_posed,
        "latent_fit": asdict(readout.trial),
        "junk": junk.summary(),
        **report_motions(settings, prepared, centre_A, readout, junk.listed),
    }


def finish_analysis(output: Path, summary: dict[str, Any], watch: Stopwatch, log: Log) -> None:
    """Write summary.json, the very last thing; the leader alone does."""
    finish_run(output, {**summary, "seconds": watch.elapsed_s})
    log(
        f"finished after {summary['epochs']} epochs: held-out score "
        f"{summary['test_score_neutral']:.4f} -> {summary['test_score']:.4f}, written to {output}"
    )


def _write_weights(
    settings: HeterogeneitySettings, prepared: Prepared, centre_A: NDArray[np.float64]
) -> None:
    task, decoders = prepared.task, prepared.decoders
    model = task.model
    architecture = Architecture(
        decoders=decoders.descriptions,
        latent_dim=settings.latent_dim,
        refine_neutral=settings.refine_neutral,
        keeps_bonds=task.bonds is not None,
        gaussians=model.neutral.n_gaussians,
        encoder_inputs=task.particles.inputs.shape[-1],
    )
    tensors = {
        **model.state(),
        "neutral.positions_A": model.neutral.positions_A.cpu(),
        "neutral.amplitudes": model.neutral.amplitudes.cpu(),
        "neutral.sigmas_A": model.neutral.sigmas_A.cpu(),
        "neutral.centre_A": torch.as_tensor(centre_A, dtype=torch.float64),
        **{f"region.{name}": part.values.cpu() for name, part in decoders.regions.items()},
    }
    with replacing(settings.output / "weights.safetensors") as temporary:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            temporary,
            metadata={"gmmflex": architecture.model_dump_json()},
        )


def _summary(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    outcome: Outcome,
    score_neutral: float,
) -> dict[str, Any]:
    task, progress, refitted = prepared.task, outcome.progress, outcome.refitted
    data, ring_weights = task.particles.data, task.objective.ring_weights
    coefficients = data.coefficients
    rings = range(coefficients.first_ring, coefficients.last_ring + 1)
    bonds = {}
    if task.bonds is not None:
        best = min(refitted.history, key=lambda line: line.test_loss)
        bonds = {
            "bonds": {
                "terms": len(task.bonds.backbone.pairs),
                "deviation_A": best.bond_deviation_A,
                "weight": best.bond_weight,
                "target_A": TARGET_A,
            }
        }
    return {
        **bonds,
        "particles": data.n_particles,
        "symmetry": settings.symmetry,
        "copies": data.n_copies,
        "gaussians": task.model.neutral.n_gaussians,
        "gaussians_varying": int(prepared.varies.sum()),
        "latent_dim": settings.latent_dim,
        "vary": list(settings.varied),
        "decoders": [item.model_dump(mode="json") for item in prepared.decoders.descriptions],
        "resolution_A": resolution_of(coefficients),
        "epochs": sum(line.epoch > 0 for line in all_epochs(progress)),
        "test_score_neutral": score_neutral,
        "test_score_encoded": -progress.best_test_loss,
        "test_score": -refitted.best_test_loss,
        "decoder_lesson": {"held_out_scores": [-line.test_loss for line in refitted.history]},
        "contrast": "white" if data.contrast_sign > 0 else "dark",
        "rings": [
            {"resolution_A": coefficients.grid.resolution_of_ring(r), "frc_neutral": c, "weight": w}
            for r, c, w in zip(rings, prepared.frc.tolist(), ring_weights.tolist(), strict=True)
        ],
        "latent_standard_deviations": outcome.latents.std(axis=0).tolist(),
    }
