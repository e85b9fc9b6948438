"""`gmmflex simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmmflex.engine.cli.options import Atoms, Overwrite, Seed, validated


def simulate(
    output: Annotated[Path, typer.Option(help="Folder to make.")],
    states: Annotated[
        Path | None, typer.Option(help="States: a PDB or mmCIF file with several models.")
    ] = None,
    trajectory: Annotated[
        Path | None, typer.Option(help="States: a trajectory (DCD, XTC …); needs --topology.")
    ] = None,
    topology: Annotated[Path | None, typer.Option(help="Topology of the trajectory.")] = None,
    particles: Annotated[int, typer.Option(help="Number of particles.")] = 3000,
    box: Annotated[int, typer.Option(help="Box in px.")] = 64,
    pixel_size: Annotated[float, typer.Option(help="Pixel size in Å.")] = 2.0,
    resolution: Annotated[
        float | None, typer.Option(help="Blur of the atoms in Å.  [default: 2 pixels]")
    ] = None,
    snr: Annotated[
        float, typer.Option(help="Variance of the signal over that of the noise.")
    ] = 0.1,
    poses: Annotated[str, typer.Option(help="uniform or uneven.")] = "uniform",
    max_shift: Annotated[float, typer.Option(help="Largest shift in Å.")] = 4.0,
    defocus_min: Annotated[float, typer.Option(help="Å")] = 8000.0,
    defocus_max: Annotated[float, typer.Option(help="Å")] = 18000.0,
    astigmatism: Annotated[float, typer.Option(help="Largest defocus difference in Å.")] = 300.0,
    voltage: Annotated[str, typer.Option(help="kV; one value, or one per optics group.")] = "300",
    cs: Annotated[str, typer.Option(help="Spherical aberration in mm, likewise.")] = "2.7",
    amplitude_contrast: Annotated[str, typer.Option(help="Fraction, likewise.")] = "0.1",
    phase_shift: Annotated[float, typer.Option(help="Phase plate, degrees.")] = 0.0,
    optics_groups: Annotated[int, typer.Option(help="Number of optics groups.")] = 1,
    atoms: Annotated[Atoms, typer.Option(help="Atoms that scatter.")] = Atoms.all,
    stride: Annotated[int, typer.Option(help="Take every so many states.")] = 1,
    state_weights: Annotated[
        str, typer.Option(help="uniform, or one weight per state, with commas.")
    ] = "uniform",
    model_state: Annotated[
        int | None, typer.Option(help="State of model.cif, from 1.  [default: the middle one]")
    ] = None,
    seed: Seed = 1,
    overwrite: Overwrite = False,
) -> None:
    """Make particles with a known truth from the states of a molecule."""
    from gmmflex.engine.settings.simulate import SimulateSettings
    from gmmflex.engine.stages.simulate.stage import simulate as run_simulation

    settings = validated(
        SimulateSettings,
        output=output,
        states=states,
        trajectory=trajectory,
        topology=topology,
        particles=particles,
        box_px=box,
        pixel_size_A=pixel_size,
        resolution_A=resolution,
        snr=snr,
        poses=poses,
        max_shift_A=max_shift,
        defocus_min_A=defocus_min,
        defocus_max_A=defocus_max,
        astigmatism_A=astigmatism,
        voltage_kv=voltage,
        spherical_aberration_mm=cs,
        amplitude_contrast=amplitude_contrast,
        phase_shift_deg=phase_shift,
        optics_groups=optics_groups,
        atoms=atoms.value,
        stride=stride,
        state_weights=state_weights,
        model_state=model_state,
        seed=seed,
        overwrite=overwrite,
    )
    run_simulation(settings)
