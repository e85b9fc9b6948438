"""Peak memory of whole runs of `gmmflex heterogeneity`, each in a process of its own.

    python -m benchmarks.memory [--threads 1] [--quick] [--folder FOLDER]

Two questions: what the largest of the usual sizes takes (8,000 Gaussians, 256 px, batch 32), and
how much more ten times as many particles take. The particle files of the second name the same
few images again and again, so that no large stack has to be made; what a run keeps is as large
as for different ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np
import torch

from benchmarks.speed_cases import (
    Case,
    noisy_images,
    random_mixture,
    random_optics,
    random_rotations,
)
from benchmarks.speed_tables import machine
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.io.particles.image_names import image_names
from gmmflex.engine.io.particles.poses import relion_angles_from_rotations
from gmmflex.engine.io.star import StarTable, write_star
from gmmflex.engine.model.images.ctf import ctf
from gmmflex.engine.model.images.grid import images_of_fourier

_MB = 1 << 20


@dataclass(frozen=True)
class Run:
    """A case (its batch is that of training), so many particles of so many different images."""

    name: str
    case: Case
    particles: int
    images: int
    epochs: int = 1


LARGEST = Run("8,000 Gaussians, 256 px", Case(8000, 256, 32), 512, 64)
SCALE = Run("10,000 particles", Case(300, 48, 64, pixel_A=3.0), 10_000, 1000)
RUNS = (LARGEST, SCALE, replace(SCALE, name="100,000 particles", particles=100_000))
QUICK_RUNS = (
    Run("60 Gaussians, 32 px", Case(60, 32, 8), 24, 24),
    Run("600 particles", Case(60, 32, 64), 600, 100),
    Run("1,200 particles", Case(60, 32, 64), 1200, 100),
)


@dataclass(frozen=True)
class Peak:
    """What one run took. files_MB: rows kept in the run folder while it trained."""

    run: Run
    resident_MB: float
    files_MB: float
    minutes: float


def peak_of(run: Run, folder: Path, threads: int) -> Peak:
    """Make the input in `folder`, run with default settings, and ask the system for the peak.

    Raises RuntimeError with what the run said if it fails.
    """
    write_input(run, folder)
    command = [
        *(sys.executable, "-m", "gmmflex", "heterogeneity"),
        *(str(folder / "particles.star"), "--neutral", str(folder / "neutral.cif")),
        *("--output", str(folder / "run"), "--epochs", str(run.epochs)),
        *("--batch-size", str(run.case.batch), "--threads", str(threads), "--device", "cpu"),
    ]
    begin, files, peak_MB = time.monotonic(), 0, 0.0
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak_MB = max(peak_MB, _resident_peak_MB(process.pid))
            files = max(files, sum(path.stat().st_size for path in folder.glob("run/**/*.rows")))
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError(f"{run.name} failed:\n{(folder / 'log.txt').read_text('utf-8')}")
    minutes = (time.monotonic() - begin) / 60
    return Peak(run, peak_MB, files / _MB, minutes)


def _resident_peak_MB(process: int) -> float:
    """What /proc says of a running process; 0 once it has ended.

    The peak of `getrusage` would count what this process held when it started that one.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024 if "VmHWM" in lines else 0.0


def write_input(run: Run, folder: Path) -> None:
    """neutral.cif, images.mrcs and particles.star: displaced mixtures in noise, random views."""
    generator = torch.Generator().manual_seed(1)
    case, n = run.case, run.images
    coefficients = case.coefficients()
    neutral = random_mixture(case, generator)
    rotations = random_rotations(n, generator)
    origins_A = 2 * case.pixel_A * torch.randn(n, 2, generator=generator)
    optics = random_optics(n, generator)
    ctf_values = coefficients.select(ctf(optics, coefficients.grid))
    planes = torch.zeros(n, *coefficients.grid.shape, dtype=torch.complex64)
    used = noisy_images(neutral, rotations, origins_A, ctf_values, coefficients, generator)
    planes.view(n, -1)[:, coefficients.used] = torch.view_as_complex(used)
    with mrcfile.new(folder / "images.mrcs") as stack:
        stack.set_data(images_of_fourier(planes, coefficients.grid).numpy())
        stack.set_image_stack()
        stack.voxel_size = case.pixel_A
    centre_A = case.box_px // 2 * case.pixel_A
    write_mixture(
        folder / "neutral.cif",
        neutral.positions_A.double().numpy() + centre_A,
        neutral.amplitudes.double().numpy(),
        neutral.sigmas_A.double().numpy(),
    )
    which = np.arange(run.particles) % n
    angles = relion_angles_from_rotations(rotations.double().numpy())[which]
    names = image_names(["images.mrcs"], np.zeros_like(which), which)
    columns = {
        "rlnImageName": names,
        "rlnOpticsGroup": np.ones(run.particles, dtype=np.int64),
        "rlnDefocusU": optics.defocus_u_A.numpy()[which],
        "rlnDefocusV": optics.defocus_v_A.numpy()[which],
        "rlnDefocusAngle": np.rad2deg(optics.defocus_angle_rad.numpy())[which],
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnOriginXAngst": origins_A.numpy()[which, 0],
        "rlnOriginYAngst": origins_A.numpy()[which, 1],
    }
    microscope = {
        "rlnOpticsGroup": np.array([1]),
        "rlnVoltage": np.array([300.0]),
        "rlnSphericalAberration": np.array([2.7]),
        "rlnAmplitudeContrast": np.array([0.1]),
        "rlnImagePixelSize": np.array([case.pixel_A]),
        "rlnImageSize": np.array([case.box_px]),
        "rlnImageDimensionality": np.array([2]),
    }
    tables = [StarTable("optics", microscope), StarTable("particles", columns)]
    write_star(folder / "particles.star", tables)


def table(peaks: list[Peak]) -> str:
    """One line for each run."""
    lines = [
        "| run | particles | batch | peak memory, MB | kept in files, MB | minutes |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {peak.run.name} | {peak.run.particles:,} | {peak.run.case.batch} | "
        f"{peak.resident_MB:.0f} | {peak.files_MB:.0f} | {peak.minutes:.1f} |"
        for peak in peaks
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="runs of a second, to see it work")
    parser.add_argument("--folder", type=Path, help="where to keep the runs; else they are removed")
    options = parser.parse_args()
    print(f"Machine: {machine(options.threads, torch.device('cpu'))}\n")
    peaks = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, run in enumerate(QUICK_RUNS if options.quick else RUNS):
            folder = Path(options.folder or temporary) / f"run_{number}"
            folder.mkdir(parents=True)
            peaks.append(peak_of(run, folder, options.threads))
            print(table(peaks[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(peaks))
    few, many = peaks[-2:]
    more = many.resident_MB - few.resident_MB
    print(f"\n{many.run.name} against {few.run.name}: {more:+.0f} MB.")


if __name__ == "__main__":
    main()
