"""The `gmmflex` command. Stages are imported only when called, so that --help is quick."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from gmmflex import __version__
from gmmflex.engine.io.errors import UserError

app = typer.Typer(
    name="gmmflex",
    help="Find how a macromolecule moves, from cryo-EM particles with Gaussian mixture models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Atoms(str, Enum):
    ca = "ca"
    all = "all"


Output = Annotated[Path, typer.Option(help="Run folder to make; an unfinished run in it goes on.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Delete an earlier run in --output.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 takes all that this process may use.")]


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"gmmflex {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options that stand before a command."""


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A star, cs, map, stack, model or run folder.")],
    passthrough: Annotated[
        Path | None, typer.Option(help="The cs file with the fields that FILE lacks.")
    ] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="Folder of the stacks, if not where the file says.")
    ] = None,
) -> None:
    """Show what a file holds, with units, and what looks wrong."""
    from gmmflex.engine.stages.info import describe

    typer.echo(str(describe(file, passthrough=passthrough, image_root=image_root)))


@app.command()
def neutral(
    output: Output,
    map: Annotated[Path | None, typer.Option(help="Consensus map (MRC).")] = None,
    model: Annotated[Path | None, typer.Option(help="Fitted model (PDB, mmCIF).")] = None,
    mask: Annotated[str, typer.Option(help="Mask file, 'auto' or 'none'.")] = "auto",
    resolution: Annotated[float, typer.Option(help="Target resolution in Å.")] = 8.0,
    gaussians: Annotated[
        int | None, typer.Option(help="Number of Gaussians; chosen from the map if not given.")
    ] = None,
    from_: Annotated[
        Atoms, typer.Option("--from", help="Which atoms of the model carry Gaussians.")
    ] = Atoms.ca,
    box: Annotated[int | None, typer.Option(help="Box in px, for a model without a map.")] = None,
    pixel_size: Annotated[
        float | None, typer.Option(help="Pixel size in Å, for a model without a map.")
    ] = None,
    seed: Seed = 1,
    device: Device = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Build the neutral Gaussian mixture from a map, a fitted model, or both."""
    from gmmflex.engine.stages.neutral import NeutralSettings, run_neutral

    settings = _settings(
        NeutralSettings,
        output=output,
        map=map,
        model=model,
        mask=mask,
        resolution_A=resolution,
        gaussians=gaussians,
        atoms=from_.value,
        box_px=box,
        pixel_size_A=pixel_size,
        seed=seed,
        device=device,
        threads=threads,
    )
    run_neutral(settings, overwrite)


@app.command()
def heterogeneity(
    particles: Annotated[
        Path | None, typer.Argument(help="Refined particles: RELION star or cryoSPARC cs.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON with settings; options given here override it.")
    ] = None,
    neutral: Annotated[
        Path | None, typer.Option(help="Run folder of 'gmmflex neutral', or a mixture (mmCIF).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Run folder to make; an unfinished run in it goes on.")
    ] = None,
    decoder: Annotated[str | None, typer.Option(help="free.  [default: free]")] = None,
    latent_dim: Annotated[
        int | None, typer.Option(help="Dimensions of the latent space.  [default: 4]")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(help="Finest resolution in Å.  [default: the mixture's]")
    ] = None,
    first_resolution: Annotated[
        float | None, typer.Option(help="A first round stops at this coarser resolution in Å.")
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(help="Of positions,amplitudes,widths what may vary.  [default: positions]"),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Map; only Gaussians inside it may vary.")
    ] = None,
    smoothing: Annotated[
        float | None,
        typer.Option(
            help="Neighbours within about this (Å) move alike.  [default: 0.75 resolution]"
        ),
    ] = None,
    invert_contrast: Annotated[
        str | None, typer.Option(help="Dark particles: auto, yes or no.  [default: auto]")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="At most so many; training stops by itself.  [default: 40]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Particles a step learns from.  [default: 64]")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="[default: 0.001]")] = None,
    latent_noise: Annotated[float | None, typer.Option(help="[default: 0.1]")] = None,
    passthrough: Annotated[
        Path | None, typer.Option(help="The cs file with the fields that PARTICLES lacks.")
    ] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="Folder of the stacks, if not where the file says.")
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(help="GB of images kept in memory, beyond it in files.  [default: 0.1]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything random.  [default: 1]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:N.  [default: auto]")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads of each process; 0 shares out the cores.  [default: 0]"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the latent space of a set of particles: how each one differs from the mixture."""
    from gmmflex.engine.io.run_folder import read_json
    from gmmflex.engine.stages.heterogeneity import run_heterogeneity
    from gmmflex.engine.stages.heterogeneity_settings import HeterogeneitySettings

    given = {
        "particles": particles,
        "neutral": neutral,
        "output": output,
        "decoder": decoder,
        "latent_dim": latent_dim,
        "resolution_A": resolution,
        "first_resolution_A": first_resolution,
        "vary": None if vary is None else tuple(v.strip() for v in vary.split(",") if v.strip()),
        "mask": mask,
        "smoothing_A": smoothing,
        "invert_contrast": invert_contrast,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "latent_noise": latent_noise,
        "passthrough": passthrough,
        "image_root": image_root,
        "memory_limit_GB": memory_limit,
        "seed": seed,
        "device": device,
        "threads": threads,
    }
    values = {} if config is None else read_json(config)
    values.update({name: value for name, value in given.items() if value is not None})
    for name in ("particles", "neutral", "output"):
        if name not in values:
            option = "PARTICLES" if name == "particles" else f"--{name}"
            raise UserError(f"gmmflex heterogeneity needs {option}: give it here or in --config")
    run_heterogeneity(_settings(HeterogeneitySettings, **values), overwrite)


@app.command()
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
    from gmmflex.engine.stages.simulate import simulate as run_simulation
    from gmmflex.engine.stages.simulate_settings import SimulateSettings

    settings = _settings(
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


@app.command()
def convert(
    particles: Annotated[Path, typer.Argument(help="RELION star or cryoSPARC cs.")],
    output: Annotated[Path, typer.Option(help="Star file to write.")],
    passthrough: Annotated[
        Path | None, typer.Option(help="The cs file with the fields that PARTICLES lacks.")
    ] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="Folder of the stacks, if not where the file says.")
    ] = None,
) -> None:
    """Write particles as a RELION 3.1 star file with absolute image paths."""
    from gmmflex.engine.stages.convert import convert_particles

    convert_particles(particles, output, passthrough, image_root)


def _settings(kind: type[Any], /, **values: Any) -> Any:
    """Validated settings; a value out of range becomes one sentence."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as fault:
        raise UserError(_sentence(fault)) from fault


def _sentence(fault: Any) -> str:
    first = fault.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    return f"{name} = {first.get('input')!r} is not allowed: {first['msg']}"


def main() -> None:
    """Run the command line: exit code 0, or 2 for anything the user can put right."""
    # Typer's own usage errors already exit with 2.
    try:
        app(standalone_mode=True)
    except UserError as fault:
        print(f"gmmflex: error: {' '.join(str(fault).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
