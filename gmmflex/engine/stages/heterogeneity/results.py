"""The files of a finished heterogeneity run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from gmmflex.engine.fitting.latent_readout import Readout
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.io.runs.run_folder import finish_run
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.progress import Log, Stopwatch
from gmmflex.engine.nets.architecture import Architecture
from gmmflex.engine.parts.neutral import Neutral
from gmmflex.engine.runs.arrays import BY_FOLD
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.stages.heterogeneity.motion_reports import report_motions
from gmmflex.engine.stages.heterogeneity.output import draw_training, write_latents
from gmmflex.engine.training.bonds import TARGET_A
from gmmflex.engine.training.evaluation import neutral_loss
from gmmflex.engine.training.preparation import Prepared, resolution_of
from gmmflex.engine.training.rounds import all_epochs
from gmmflex.engine.training.training import Progress, write_metrics


def write_results(
    settings: HeterogeneitySettings,
    particles: Particles,
    prepared: Prepared,
    progress: Progress,
    refitted: Progress,
    readout: Readout,
    neutral: Neutral,
    watch: Stopwatch,
    log: Log,
) -> None:
    """Of what training (progress), the fit of the latents (readout) and the decoder's last lesson
    (taught) have led to the leader writes all files, summary.json last. Every process calls it."""
    latents = readout.latents.numpy().astype(np.float32)
    score_neutral = -neutral_loss(
        prepared.model.neutral,
        prepared.data,
        prepared.inputs,
        prepared.weights,
        prepared.test_rows,
        prepared.batch_limit,
        prepared.processes,
    )
    if not prepared.processes.is_leader:
        return
    _write_weights(settings, prepared, neutral)
    write_metrics(settings.output / "metrics.csv", all_epochs(progress))
    operators = prepared.data.operators.numpy().astype(np.float64)
    write_latents(settings.output, particles, latents, operators)
    for name, values in (
        ("latent_covariances", readout.covariances),
        (BY_FOLD, readout.by_fold),
    ):
        with replacing(settings.output / f"{name}.npy") as temporary:
            np.save(temporary, values.numpy().astype(np.float32))
    draw_training(
        settings.output / "training.png", progress.history, score_neutral, -refitted.best_test_loss
    )
    summary = {
        **_summary(settings, prepared, progress, refitted, latents, score_neutral),
        "latent_reliability": readout.reliability,
        "latent_fit": asdict(readout.trial),
        **report_motions(settings.output, prepared, neutral.centre_A, readout, settings.seed, log),
    }
    # Before the end: a run that is killed in between goes on, one that has ended does not.
    for rows in (prepared.data.images, prepared.inputs):
        rows.remove()
    finish_run(settings.output, {**summary, "seconds": watch.elapsed_s})
    log(
        f"finished after {summary['epochs']} epochs: held-out score {score_neutral:.4f} -> "
        f"{summary['test_score']:.4f}, written to {settings.output}"
    )


def _write_weights(settings: HeterogeneitySettings, prepared: Prepared, neutral: Neutral) -> None:
    model = prepared.model
    architecture = Architecture(
        decoders=prepared.descriptions,
        latent_dim=settings.latent_dim,
        refine_neutral=settings.refine_neutral,
        keeps_bonds=prepared.bonds is not None,
        gaussians=model.neutral.n_gaussians,
        encoder_inputs=prepared.inputs.shape[-1],
    )
    tensors = {
        **model.state(),
        "neutral.positions_A": model.neutral.positions_A.cpu(),
        "neutral.amplitudes": model.neutral.amplitudes.cpu(),
        "neutral.sigmas_A": model.neutral.sigmas_A.cpu(),
        "neutral.centre_A": torch.as_tensor(neutral.centre_A, dtype=torch.float64),
        **{f"region.{name}": part.values.cpu() for name, part in prepared.regions.items()},
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
    progress: Progress,
    refitted: Progress,
    latents: NDArray[np.float32],
    score_neutral: float,
) -> dict[str, Any]:
    coefficients = prepared.data.coefficients
    rings = range(coefficients.first_ring, coefficients.last_ring + 1)
    bonds = {}
    if prepared.bonds is not None:
        best = min(refitted.history, key=lambda line: line.test_loss)
        bonds = {
            "bonds": {
                "terms": len(prepared.bonds.backbone.pairs),
                "deviation_A": best.bond_deviation_A,
                "weight": best.bond_weight,
                "target_A": TARGET_A,
            }
        }
    return {
        **bonds,
        "particles": prepared.data.n_particles,
        "symmetry": settings.symmetry,
        "copies": prepared.data.n_copies,
        "gaussians": prepared.model.neutral.n_gaussians,
        "gaussians_varying": int(prepared.varies.sum()),
        "latent_dim": settings.latent_dim,
        "vary": list(settings.varied),
        "decoders": [item.model_dump(mode="json") for item in prepared.descriptions],
        "resolution_A": resolution_of(coefficients),
        "epochs": sum(line.epoch > 0 for line in all_epochs(progress)),
        "test_score_neutral": score_neutral,
        "test_score_encoded": -progress.best_test_loss,
        "test_score": -refitted.best_test_loss,
        "decoder_lesson": {"held_out_scores": [-line.test_loss for line in refitted.history]},
        "contrast": "white" if prepared.data.contrast_sign > 0 else "dark",
        "rings": [
            {"resolution_A": coefficients.grid.resolution_of_ring(r), "frc_neutral": c, "weight": w}
            for r, c, w in zip(rings, prepared.frc.tolist(), prepared.weights.tolist(), strict=True)
        ],
        "latent_standard_deviations": latents.std(axis=0).tolist(),
    }
