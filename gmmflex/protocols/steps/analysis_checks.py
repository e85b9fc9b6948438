"""What can be wrong with the input of an analysis: each fault one sentence for the form."""

import os
from pathlib import Path

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.results.finished_analysis import finished_run_folder

STACK_SUFFIXES = (".mrcs", ".mrc")


def particle_faults(particles) -> list[str]:
    """What keeps a SetOfParticles from being compared with projections."""
    faults = []
    if not particles.hasCTF():
        faults.append(
            "The particles have no CTF: give the refined particles with their CTF, or assign "
            "it with 'assign ctf'."
        )
    if particles.isPhaseFlipped():
        faults.append(
            "The particles are marked as phase flipped, but the CTF is applied to the model's "
            "projections: give the particles as they were before phase flipping."
        )
    first = particles.getFirstItem()
    if first is not None and Path(first.getFileName()).suffix.lower() not in STACK_SUFFIXES:
        faults.append(
            f"The images lie in {first.getFileName()}, which is not an MRC stack: convert the "
            "particles to .mrcs first (for example with 'relion - preprocess particles')."
        )
    return faults


def mixture_faults(gaussians) -> list[str]:
    """Whether the files of a GaussianModel are still there."""
    if gaussians.exists():
        return []
    return [
        f"The neutral mixture {gaussians.getFileName()} is no longer there: run 'build "
        "neutral GMM' again."
    ]


def original_file_faults(path: str | None) -> list[str]:
    """Whether the original star or cs file exists, where one is given."""
    if path and not os.path.isfile(path):
        return [f"Original star or cs file {path} does not exist: check the path."]
    return []


def resolution_faults(resolution_A: float, first_A: float, pixel_size_A: float | None) -> list[str]:
    """Whether resolutions (0 = automatic) can be reached and stand in order."""
    faults = []
    if resolution_A and pixel_size_A and resolution_A < 2 * pixel_size_A:
        faults.append(
            f"Resolution {resolution_A:g} Å cannot be reached with a pixel size of "
            f"{pixel_size_A:.3f} Å: give at least {2.05 * pixel_size_A:.2f} Å, or 0."
        )
    if resolution_A and first_A and first_A < resolution_A:
        faults.append(
            f"The first resolution ({first_A:g} Å) is coarser than the last one "
            f"({resolution_A:g} Å), so it has to be the larger number."
        )
    return faults


def symmetry_faults(group: str) -> list[str]:
    """Whether a text names a point group."""
    try:
        symmetry_operators(group)
    except UserError as fault:
        return [f"{str(fault).replace('--symmetry', 'Symmetry group')}."]
    return []


def start_faults(particles_flex) -> list[str]:
    """Whether particles (or None) came out of an analysis that training can start from."""
    if particles_flex is None or finished_run_folder(particles_flex) is not None:
        return []
    return [
        "The analysis to start from is not one of GMMFlex, or its files are no longer there: give "
        "the output particles of a finished analysis of this plugin, or leave it empty."
    ]


def process_faults(wanted: int, gpus: list | None, gpu_text: str, threads: int) -> list[str]:
    """What is wrong with the number of processes; each works with a GPU of its own.

    gpus: the GPUs of the form's list, None where none is used; gpu_text: the list as written.
    """
    if gpus is not None:
        if len(set(gpus)) < len(gpus):
            return [f"The list of GPUs '{gpu_text}' names one twice: name each once."]
        if wanted not in (0, max(1, len(gpus))):
            return [
                f"{wanted} processes were asked for but the list of GPUs "
                f"'{gpu_text}' holds {len(gpus)}: give 0 processes for one on each "
                "GPU, or do not use GPUs."
            ]
    elif wanted > threads:
        return [
            f"{wanted} processes cannot share {threads} threads: give at "
            "least as many threads as processes."
        ]
    return []
