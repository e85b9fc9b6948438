"""`gmmflex neutral`: the Gaussian mixture of the consensus map, of a fitted model, or of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.compute import choose_device, set_seed
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.build import Built, build
from gmmflex.engine.stages.neutral.comparison import compare
from gmmflex.engine.stages.neutral.inputs import checked_sources, read_sources
from gmmflex.engine.stages.neutral.pictures import draw_neutral


@stage("neutral")
def run_neutral(run: StageRun[NeutralSettings]) -> None:
    """Build the mixture and write the run folder; raises UserError and then writes nothing."""
    settings, log = run.settings, run.log
    if settings.map is None and settings.model is None:
        raise UserError("gmmflex neutral needs --map, --model or both: give at least one")
    device = choose_device(settings.device)
    set_seed(settings.seed)
    target, model = checked_sources(settings, read_sources(settings))
    inputs = [settings.map, settings.model]
    if settings.mask not in ("auto", "none"):
        inputs.append(Path(settings.mask))
    run.begin(inputs, seed=settings.seed, device=str(device))
    log(
        f"target: {target.density.box_px} px of {target.density.pixel_size_A:.3f} A, mask "
        f"{target.mask_source} ({100 * float(target.mask.mean()):.1f} % of the box)"
    )
    built = build(settings, target, model, device, log)
    _write(run, built, None if model is None else model.atoms)


def _write(run: StageRun[NeutralSettings], built: Built, model: AtomicModel | None) -> None:
    settings = run.settings
    target, ladder, resolution_A = built.target, built.ladder, built.resolution_A
    density, output = target.density, settings.output
    mixture = ladder.mixture
    extent = density.box_px * density.pixel_size_A
    seen = compare(mixture, target, resolution_A)
    whole, plain, rendered = seen.masked, seen.unmasked, seen.rendered
    used = ladder.rungs[-1].fsc

    from_model = model is not None and ladder.n_of_model == len(model)
    write_mixture(
        output / "neutral.cif",
        mixture.positions_A.numpy().astype(np.float64) + target.centre_A,
        mixture.amplitudes.numpy().astype(np.float64),
        mixture.sigmas_A.numpy().astype(np.float64),
        first_from_model=model if from_model else None,
    )
    write_map(
        output / "neutral.mrc",
        Map(rendered, density.pixel_size_A, density.origin_A),
    )
    with replacing(output / "frc.csv") as temporary:
        rows = ["frequency_per_A,resolution_A,fsc,fsc_unmasked"]
        for shell, (masked, unmasked) in enumerate(
            zip(whole.tolist(), plain.tolist(), strict=True), start=1
        ):
            rows.append(f"{shell / extent:.6f},{extent / shell:.4f},{masked:.5f},{unmasked:.5f}")
        temporary.write_text("\n".join(rows) + "\n", encoding="utf-8")
    n_used = len(used)
    summary = {
        "gaussians": mixture.n_gaussians,
        "gaussians_from_model": ladder.n_of_model,
        "resolution_A": resolution_A,
        **built.held.summary(),
        "pixel_size_A": density.pixel_size_A,
        "box_px": density.box_px,
        "centre_A": target.centre_A.tolist(),
        "mask": target.mask_source,
        "fsc_mean": float(whole[:n_used].mean()),
        "fsc_minimum": float(whole[:n_used].min()),
        "fsc_unmasked_mean": float(plain[:n_used].mean()),
        "fsc_unmasked_minimum": float(plain[:n_used].min()),
        "steps": [
            {
                "resolution_A": rung.resolution_A,
                "gaussians": rung.n_gaussians,
                "fsc_mean": float(rung.fsc.mean()),
                "fsc_minimum": rung.minimum,
            }
            for rung in ladder.rungs
        ],
        "bonds": None if built.bonds is None else built.bonds.summary(mixture),
    }
    draw_neutral(output / "neutral.png", target, rendered, mixture, whole, plain, resolution_A)
    run.finish(summary)
    run.log(
        f"finished: {mixture.n_gaussians} Gaussians, FSC to {resolution_A:.3g} A mean "
        f"{summary['fsc_mean']:.3f} minimum {summary['fsc_minimum']:.3f}, written to {output}"
    )
