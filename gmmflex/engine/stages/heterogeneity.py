"""`gmmflex heterogeneity`: from particles and a neutral mixture to a latent space."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.io.run_folder import (
    RunState,
    begin_run,
    finish_run,
    replacing,
    run_state,
)
from gmmflex.engine.model.grid import FourierGrid, max_usable_ring
from gmmflex.engine.model.neighbourhood import smoothing_matrix
from gmmflex.engine.model.scoring import Coefficients, coefficients_in_use
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.free_decoder import FreeDecoder
from gmmflex.engine.stages.checkpoint import load_checkpoint, restore, save_checkpoint
from gmmflex.engine.stages.compute import choose_device, set_seed, set_threads
from gmmflex.engine.stages.contrast import contrast_of_particles
from gmmflex.engine.stages.heterogeneity_output import write_latents
from gmmflex.engine.stages.heterogeneity_settings import HeterogeneitySettings
from gmmflex.engine.stages.network_start import start_encoder
from gmmflex.engine.stages.neutral_input import Neutral, read_neutral, varying_gaussians
from gmmflex.engine.stages.particle_data import ParticleData, load_particle_data
from gmmflex.engine.stages.progress import Log, Stopwatch, print_line
from gmmflex.engine.stages.scores import encoder_gradients, mean_frc, ring_weights
from gmmflex.engine.stages.training import (
    Model,
    Progress,
    TrainingSettings,
    encode,
    neutral_loss,
    train,
    write_metrics,
)

# Particles that tell contrast and ring weights; more change neither.
_SAMPLE = 5000
# With fewer there is no held-out set to speak of.
_FEWEST = 20


def run_heterogeneity(
    settings: HeterogeneitySettings, overwrite: bool = False, log: Log = print_line
) -> None:
    """Train and write the run folder; an unfinished run goes on from its last epoch.

    Raises UserError for anything wrong with the input; no new folder is left behind then.
    """
    config = settings.model_dump(mode="json")
    state = run_state(settings.output, "heterogeneity", config, overwrite)
    if state is RunState.FINISHED:
        log(f"{settings.output} is finished already; --overwrite would run it again")
        return
    watch = Stopwatch()
    device = choose_device(settings.device)
    threads = set_threads(settings.threads)
    random = set_seed(settings.seed)

    particles = read_particles(
        settings.particles, passthrough=settings.passthrough, image_root=settings.image_root
    )
    if len(particles) < _FEWEST:
        raise UserError(
            f"{settings.particles} holds {len(particles)} particles, which say nothing about "
            f"motion: give at least {_FEWEST}, better thousands"
        )
    neutral = read_neutral(settings.neutral, particles.box_px, particles.pixel_size_A)
    varies = varying_gaussians(neutral, settings.mask).to(device)
    where = _coefficients(settings, particles, neutral, device)
    # The first images are read before anything is written: most faults show there.
    particles.read_images(np.arange(min(len(particles), 16)))
    folder_was_there = settings.output.exists()
    if state is RunState.NEW:
        files = (settings.particles, settings.passthrough, neutral.path, settings.mask)
        inputs = [path for path in files if path is not None]
        begin_run(
            settings.output,
            "heterogeneity",
            config,
            inputs,
            overwrite,
            {"seed": settings.seed, "device": str(device), "threads": threads},
        )
    log(
        f"{len(particles)} particles of {particles.box_px} px, {particles.pixel_size_A:.3f} A; "
        f"{neutral.mixture.n_gaussians} Gaussians, {int(varies.sum())} may vary; "
        f"resolution {_resolution_A(where):.1f} A; {device}, {threads} threads"
    )
    (settings.output / "checkpoint").mkdir(exist_ok=True)
    spill = settings.output / "checkpoint" / "images.npy"
    try:
        data = load_particle_data(particles, where, settings.memory_limit_GB, spill, log)
        prepared = _prepare(settings, data, neutral, varies, random, log)
    except UserError:
        if state is RunState.NEW:
            shutil.rmtree(settings.output)
            if folder_was_there:
                settings.output.mkdir()
        raise
    progress = _train_in_rounds(settings, prepared, log)
    _write(settings, particles, prepared, progress, neutral, watch, log)
    spill.unlink(missing_ok=True)


@dataclass(frozen=True)
class Prepared:
    """All that training needs, computed once."""

    model: Model
    data: ParticleData
    inputs: Tensor
    weights: Tensor
    frc: Tensor
    varies: Tensor
    train_rows: Tensor
    test_rows: Tensor
    training: TrainingSettings


def _coefficients(
    settings: HeterogeneitySettings, particles: Particles, neutral: Neutral, device: torch.device
) -> Coefficients:
    box, pixel = particles.box_px, particles.pixel_size_A
    finest = box * pixel / max_usable_ring(box)
    wanted = settings.resolution_A or neutral.resolution_A or finest
    if settings.resolution_A is not None and settings.resolution_A < finest * 0.999:
        raise UserError(
            f"--resolution {settings.resolution_A:g} Å is beyond what {settings.particles} holds "
            f"(box {box} px of {pixel:.3f} Å: {finest:.2f} Å at best): give {finest:.2f} or more"
        )
    whole = FourierGrid(box, pixel, max_usable_ring(box), device)
    last = whole.ring_of_resolution(wanted)
    first = min(whole.ring_of_resolution(settings.coarsest_A), last)
    return coefficients_in_use(whole.with_max_ring(last), first, last)


def _prepare(
    settings: HeterogeneitySettings,
    data: ParticleData,
    neutral: Neutral,
    varies: Tensor,
    random: np.random.Generator,
    log: Log,
) -> Prepared:
    mixture = neutral.mixture.to(varies.device)
    order = torch.from_numpy(random.permutation(len(data)))
    n_test = max(1, round(settings.test_fraction * len(data)))
    batch_size = settings.batch_size or _batch_size(mixture.n_gaussians, data)
    sample = order[:_SAMPLE]
    frc = mean_frc(mixture, data, sample, batch_size)
    sign = contrast_of_particles(settings, frc, data, len(sample), log)
    data, frc = data.with_contrast(sign), frc * sign
    weights = ring_weights(frc, data)
    inputs = encoder_gradients(
        mixture,
        data,
        weights,
        settings.vary,
        varies,
        settings.encoder_sites,
        batch_size,
        settings.seed,
        log,
    )
    width = settings.smoothing_A
    if width is None:
        width = 0.75 * _resolution_A(data.where)
    smoothing = smoothing_matrix(mixture.positions_A, max(width, 1e-3))
    encoder = Encoder(inputs.shape[-1], settings.latent_dim)
    decoder = FreeDecoder(settings.latent_dim, smoothing, varies, settings.vary)
    model = Model(encoder.to(varies.device), decoder.to(varies.device), mixture)
    training = TrainingSettings(
        epochs=settings.epochs,
        batch_size=batch_size,
        learning_rate=settings.learning_rate,
        latent_noise=settings.latent_noise,
    )
    return Prepared(
        model, data, inputs, weights, frc, varies, order[n_test:], order[:n_test], training
    )


def _train_in_rounds(settings: HeterogeneitySettings, prepared: Prepared, log: Log) -> Progress:
    """One round per resolution, coarse to fine; each goes on from the weights of the last."""
    model, folder = prepared.model, settings.output / "checkpoint"
    rounds = [settings.first_resolution_A] if settings.first_resolution_A is not None else []
    checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        start_encoder(
            model,
            prepared.data,
            prepared.inputs,
            prepared.varies,
            prepared.train_rows,
            settings.latent_dim,
            log,
        )
    progress: Progress | None = None
    for number, resolution in enumerate([*rounds, None]):
        if checkpoint is not None and number < checkpoint.round:
            continue
        optimiser = model.optimiser(settings.learning_rate, first_round=number == 0)
        start = None
        if checkpoint is not None and number == checkpoint.round:
            restore(checkpoint, folder, model, optimiser)
            start = checkpoint.progress
            log(f"going on after epoch {len(start.history) - 1}")
        weights = prepared.weights
        if resolution is not None:
            weights = _up_to(resolution, weights, prepared.data.where)
            log(f"round 1: up to {resolution:g} A")

        def save(state: Progress, of: torch.optim.Optimizer, number: int = number) -> None:
            save_checkpoint(folder, number, state, model, of)
            write_metrics(settings.output / "metrics.csv", state.history)

        progress = train(
            model,
            prepared.data,
            prepared.inputs,
            weights,
            prepared.train_rows,
            prepared.test_rows,
            prepared.training,
            optimiser,
            start,
            save,
            log,
        )
    assert progress is not None
    return progress


def _up_to(resolution_A: float, weights: Tensor, where: Coefficients) -> Tensor:
    last = where.grid.ring_of_resolution(resolution_A)
    rings = torch.arange(where.first_ring, where.last_ring + 1, device=weights.device)
    chosen = (rings <= max(last, where.first_ring + 1)).to(weights)
    kept = weights * chosen
    # Coarse rings without any signal all weigh the same, as they would on their own.
    kept = kept if float(kept.sum()) > 0.0 else chosen
    return kept / kept.sum()


def _batch_size(n_gaussians: int, data: ParticleData) -> int:
    """64, or fewer where the phase factors of a batch would pass about 1 GB."""
    per_particle = 10 * 4 * n_gaussians * (data.where.grid.max_ring + 1) * 4
    return int(np.clip(1e9 / per_particle, 4, 64))


def _resolution_A(where: Coefficients) -> float:
    return where.grid.resolution_of_ring(where.last_ring)


def _write(
    settings: HeterogeneitySettings,
    particles: Particles,
    prepared: Prepared,
    progress: Progress,
    neutral: Neutral,
    watch: Stopwatch,
    log: Log,
) -> None:
    output, model = settings.output, prepared.model
    architecture = {
        "decoder": settings.decoder,
        "latent_dim": settings.latent_dim,
        "vary": list(settings.vary),
        "gaussians": model.neutral.n_gaussians,
        "encoder_inputs": prepared.inputs.shape[-1],
    }
    tensors = {
        **model.state(),
        "neutral.positions_A": model.neutral.positions_A.cpu(),
        "neutral.amplitudes": model.neutral.amplitudes.cpu(),
        "neutral.sigmas_A": model.neutral.sigmas_A.cpu(),
        "neutral.centre_A": torch.as_tensor(neutral.centre_A, dtype=torch.float64),
        "decoder.smoothing_A": torch.tensor(
            settings.smoothing_A
            if settings.smoothing_A is not None
            else 0.75 * _resolution_A(prepared.data.where),
            dtype=torch.float64,
        ),
        "decoder.varies": prepared.varies.cpu(),
    }
    with replacing(output / "weights.safetensors") as temporary:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            temporary,
            metadata={"gmmflex": json.dumps(architecture)},
        )
    write_metrics(output / "metrics.csv", progress.history)
    latents = encode(model, prepared.inputs).numpy().astype(np.float32)
    score_neutral = -neutral_loss(
        model.neutral,
        prepared.data,
        prepared.weights,
        prepared.test_rows,
        prepared.training.batch_size,
    )
    write_latents(output, particles, latents, progress.history, score_neutral)
    rings = range(prepared.data.where.first_ring, prepared.data.where.last_ring + 1)
    grid = prepared.data.where.grid
    summary: dict[str, Any] = {
        "particles": len(particles),
        "gaussians": model.neutral.n_gaussians,
        "gaussians_varying": int(prepared.varies.sum()),
        "latent_dim": settings.latent_dim,
        "vary": list(settings.vary),
        "resolution_A": _resolution_A(prepared.data.where),
        "epochs": len(progress.history) - 1,
        "test_score_neutral": score_neutral,
        "test_score": -progress.best_test_loss,
        "contrast": "white" if prepared.data.contrast_sign > 0 else "dark",
        "rings": [
            {"resolution_A": grid.resolution_of_ring(r), "frc_neutral": c, "weight": w}
            for r, c, w in zip(rings, prepared.frc.tolist(), prepared.weights.tolist(), strict=True)
        ],
        "latent_standard_deviations": latents.std(axis=0).tolist(),
        "seconds": watch.elapsed_s,
    }
    finish_run(output, summary)
    log(
        f"finished after {summary['epochs']} epochs: held-out score "
        f"{summary['test_score_neutral']:.4f} -> {summary['test_score']:.4f}, written to {output}"
    )
