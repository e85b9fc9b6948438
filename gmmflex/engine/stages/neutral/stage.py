"""`gmmflex neutral`: the Gaussian mixture of the consensus map, of a fitted model, or of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.machine.compute import choose_device, set_seed
from gmmflex.engine.model.geometry.backbone import backbone_of
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.build import MODEL_RESOLUTION_A, Built, build
from gmmflex.engine.stages.neutral.comparison import compare
from gmmflex.engine.stages.neutral.pictures import draw_neutral
from gmmflex.engine.stages.neutral.target import Target, target_of_map, target_of_model

# Fewer make no mixture whose spread could be measured.
_LEAST_ATOMS = 4


@stage("neutral")
def run_neutral(run: StageRun[NeutralSettings]) -> None:
    """Build the mixture and write the run folder; raises UserError and then writes nothing."""
    settings, log = run.settings, run.log
    if settings.map is None and settings.model is None:
        raise UserError("gmmflex neutral needs --map, --model or both: give at least one")
    device = choose_device(settings.device)
    set_seed(settings.seed)
    model = None if settings.model is None else _chosen_atoms(settings.model, settings.atoms)
    if settings.hold_model and (model is None or settings.bonds):
        raise UserError(
            "--hold-model keeps a fitted model as it is: give it with --model, and without --bonds"
        )
    if settings.bonds:
        _check_bonds(model, settings)
    target = _target(settings, model)
    inputs = [settings.map, settings.model]
    if settings.mask not in ("auto", "none"):
        inputs.append(Path(settings.mask))
    run.begin(inputs, seed=settings.seed, device=str(device))
    log(
        f"target: {target.density.box_px} px of {target.density.pixel_size_A:.3f} A, mask "
        f"{target.mask_source} ({100 * float(target.mask.mean()):.1f} % of the box)"
    )
    built = build(settings, target, model, device, log)
    _write(run, built, model)


def _chosen_atoms(path: Path, atoms: str) -> AtomicModel:
    model = read_model(path)
    if atoms == "all":
        chosen = np.flatnonzero([str(e).upper() not in ("H", "D") for e in model.elements])
        kind, remedy = "atoms", "give a model of a macromolecule"
    else:
        chosen = model.alpha_carbons()
        kind, remedy = "alpha carbons or nucleic-acid phosphorus atoms", "use --from all"
    if len(chosen) < _LEAST_ATOMS:
        raise UserError(f"{path} holds only {len(chosen)} {kind}: {remedy}")
    return model.subset(chosen)


def _check_bonds(model: AtomicModel | None, settings: NeutralSettings) -> None:
    if model is None:
        raise UserError("--bonds keeps the bonds of a fitted model: give it with --model")
    if not len(backbone_of(model).pairs):
        raise UserError(
            f"{settings.model} has no two residues that follow each other, so there are no bonds: "
            "leave out --bonds"
        )


def _target(settings: NeutralSettings, model: AtomicModel | None) -> Target:
    if settings.map is not None:
        target = target_of_map(settings.map, settings.mask, settings.resolution_A)
        if model is not None:
            _check_model_in_map(model, target, settings)
        return target
    assert model is not None
    assert settings.model is not None
    resolution_A = settings.resolution_A or MODEL_RESOLUTION_A
    if settings.gaussians is not None and settings.gaussians > len(model):
        raise UserError(
            f"--gaussians {settings.gaussians} is more than the {len(model)} atoms of "
            f"{settings.model}: use --from all, fewer Gaussians, or add --map for the rest"
        )
    if (settings.box_px is None) != (settings.pixel_size_A is None):
        raise UserError("--box and --pixel-size describe one box: give both of them or neither")
    everything = _chosen_atoms(settings.model, "all")
    return target_of_model(everything, resolution_A, settings.box_px, settings.pixel_size_A)


def _check_model_in_map(model: AtomicModel, target: Target, settings: NeutralSettings) -> None:
    """A model that was never fitted into the map must not be used in silence."""
    index = (model.coordinates_A - target.density.origin_A) / target.density.pixel_size_A
    index = np.round(index).astype(int)
    inside = ((index >= 0) & (index < target.density.box_px)).all(axis=1)
    covered = np.zeros(len(index), dtype=bool)
    covered[inside] = target.mask[index[inside, 2], index[inside, 1], index[inside, 0]] > 0.1
    if covered.mean() < 0.5:
        raise UserError(
            f"only {100 * covered.mean():.0f} % of the atoms of {settings.model} lie in the "
            f"density of {settings.map}: fit the model into the map first (for example in ChimeraX)"
        )


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
