"""Reading and writing the tables of a million particles: seconds, rows per second, peak memory.

    python -m benchmarks.tables [--rows 1000000]

Each task runs in a process of its own, on one core; no images are read. Seconds are of the
processor, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import torch

from benchmarks.speed_tables import machine
from gmmflex.engine.io.particles.image_names import image_names
from gmmflex.engine.io.star import StarTable, write_star

_BOX_PX, _PIXEL_A, _SLICES = 16, 2.0, 1000
_TASKS = {
    "all tables and columns (`read_star`)": "from gmmflex.engine.io.star import read_star\n"
    "def task(): return read_star(path)",
    "particles (`read_particles`)": "from gmmflex.engine.io.particles import read_particles\n"
    "def task(): return read_particles(path)",
    "`gmmflex info`": "from gmmflex.engine.stages.info.stage import describe\n"
    "def task(): return describe(path)",
    "star file with four latents (`write_particles_star`)": (
        "import numpy as np\n"
        "from gmmflex.engine.io.particles.particles import read_particles, write_particles_star\n"
        "particles = read_particles(path)\n"
        "values = np.random.default_rng(1).normal(size=(4, len(particles)))\n"
        "columns = {f'gmmflexLatent{i + 1}': v for i, v in enumerate(values)}\n"
        "def task(): write_particles_star(path + '.out', particles, columns)"
    ),
    "latents, density and picture (`write_latents`)": (
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from gmmflex.engine.io.particles import read_particles\n"
        "from gmmflex.engine.stages.heterogeneity.output import write_latents\n"
        "particles = read_particles(path)\n"
        "latents = np.random.default_rng(1).normal(size=(len(particles), 4)).astype('f4')\n"
        "def task(): write_latents(Path(path).parent, particles, latents, np.eye(3)[None], {})"
    ),
}
_MEASURE = """
import json, sys, time
from pathlib import Path
path = sys.argv[1]
{task}
begin = time.process_time()
task()
seconds = time.process_time() - begin
# Not the peak of getrusage, which counts what the parent held when it started this process.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([seconds, int(status["VmHWM"].split()[0]) / 1024]))
"""


@dataclass(frozen=True)
class Taken:
    """What one task took; the peak is that of the whole process, libraries included."""

    file: str
    task: str
    seconds: float
    peak_MB: float


def taken(file: str, path: Path, task: str) -> Taken:
    """Run one task on a particle file."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(task=_TASKS[task]), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return Taken(file, task, *json.loads(done.stdout.splitlines()[-1]))


def write_files(rows: int, folder: Path) -> dict[str, Path]:
    """The same particles as RELION 3.1, RELION 3.0 and cryoSPARC write them, and their stack."""
    with mrcfile.new(folder / "stack.mrcs") as stack:
        stack.set_data(np.zeros((_SLICES, _BOX_PX, _BOX_PX), dtype=np.float32))
        stack.set_image_stack()
    random = np.random.default_rng(1)
    which = np.arange(rows) % _SLICES
    angles = random.uniform(0, 180, (rows, 3))
    defocus_A = random.uniform(8000, 20000, rows)
    columns = {
        "rlnImageName": image_names(["stack.mrcs"], np.zeros_like(which), which),
        "rlnMicrographName": image_names(["micrograph.mrc"], np.zeros_like(which), which),
        "rlnCoordinateX": random.uniform(0, 4000, rows),
        "rlnCoordinateY": random.uniform(0, 4000, rows),
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnDefocusU": defocus_A,
        "rlnDefocusV": defocus_A - 200,
        "rlnDefocusAngle": random.uniform(0, 180, rows),
        "rlnPhaseShift": np.zeros(rows),
        "rlnCtfBfactor": np.zeros(rows),
        "rlnNormCorrection": random.normal(1, 0.1, rows),
        "rlnLogLikeliContribution": random.normal(1e5, 1e3, rows),
        "rlnMaxValueProbDistribution": random.uniform(0, 1, rows),
        "rlnNrOfSignificantSamples": np.arange(rows) % 50,
        "rlnRandomSubset": 1 + np.arange(rows) % 2,
    }
    shifts_A = random.normal(0, 3, (2, rows))
    optics = {
        "rlnOpticsGroup": [1],
        "rlnVoltage": [300.0],
        "rlnSphericalAberration": [2.7],
        "rlnAmplitudeContrast": [0.1],
        "rlnImagePixelSize": [_PIXEL_A],
        "rlnImageSize": [_BOX_PX],
        "rlnImageDimensionality": [2],
    }
    in_31 = {
        **columns,
        "rlnOpticsGroup": np.ones(rows, dtype=np.int64),
        "rlnOriginXAngst": shifts_A[0],
        "rlnOriginYAngst": shifts_A[1],
    }
    in_30 = {
        **columns,
        "rlnOriginX": shifts_A[0] / _PIXEL_A,
        "rlnOriginY": shifts_A[1] / _PIXEL_A,
        "rlnVoltage": np.full(rows, 300.0),
        "rlnSphericalAberration": np.full(rows, 2.7),
        "rlnAmplitudeContrast": np.full(rows, 0.1),
        "rlnMagnification": np.full(rows, 10_000.0),
        "rlnDetectorPixelSize": np.full(rows, _PIXEL_A),
    }
    files = {
        "RELION 3.1": folder / "relion31.star",
        "RELION 3.0": folder / "relion30.star",
        "cryoSPARC": folder / "particles.cs",
    }
    optics_table = StarTable("optics", {k: np.array(v) for k, v in optics.items()})
    write_star(files["RELION 3.1"], [optics_table, StarTable("particles", in_31)])
    write_star(files["RELION 3.0"], [StarTable("", in_30)])
    with files["cryoSPARC"].open("wb") as stream:
        np.save(stream, _cryosparc(which, defocus_A, angles, shifts_A))
    return files


def _cryosparc(
    which: np.ndarray, defocus_A: np.ndarray, angles: np.ndarray, shifts_A: np.ndarray
) -> np.ndarray:
    values = {
        "uid": np.arange(len(which), dtype=np.uint64),
        "blob/path": np.full(len(which), b"stack.mrcs"),
        "blob/idx": which.astype(np.uint32),
        "blob/shape": np.full((len(which), 2), _BOX_PX, dtype=np.uint32),
        "blob/psize_A": np.full(len(which), _PIXEL_A, dtype=np.float32),
        "ctf/df1_A": defocus_A.astype(np.float32),
        "ctf/df2_A": defocus_A.astype(np.float32) - 200,
        "ctf/df_angle_rad": np.zeros(len(which), dtype=np.float32),
        "ctf/accel_kv": np.full(len(which), 300, dtype=np.float32),
        "ctf/cs_mm": np.full(len(which), 2.7, dtype=np.float32),
        "ctf/amp_contrast": np.full(len(which), 0.1, dtype=np.float32),
        "alignments3D/pose": np.deg2rad(angles).astype(np.float32),
        "alignments3D/shift": shifts_A.T.astype(np.float32),
    }
    kinds = [(name, array.dtype, array.shape[1:]) for name, array in values.items()]
    table = np.zeros(len(which), dtype=kinds)
    for name, array in values.items():
        table[name] = array
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    print(f"Machine: {machine(1, torch.device('cpu'))}\n")
    print("| file | task | s | rows/s | peak memory, MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for file, path in write_files(rows, Path(folder)).items():
            for task in _TASKS:
                if path.suffix == ".cs" and "read_star" in task:
                    continue
                found = taken(file, path, task)
                print(
                    f"| {file} | {task} | {found.seconds:.1f} | {rows / found.seconds:,.0f} | "
                    f"{found.peak_MB:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
