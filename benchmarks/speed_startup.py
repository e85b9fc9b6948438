"""Times of what every run begins with: starting the program, reading the particles' table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.timing import Contestant, Times, in_turns
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.star import StarTable, read_star, write_star

_IMAGES_PER_STACK = 200


@dataclass(frozen=True)
class StartUp:
    """Seconds to start Python and do as little as is named; seconds per row of a table read."""

    bare_python: Times
    import_of_command: Times
    help_text: Times
    table: Times
    particles: Times
    rows: int
    columns: int


def start_up(rounds: int, rows: int) -> StartUp:
    """rows: of the table; its 22 columns are those that RELION's refinements write."""
    started = in_turns(
        {
            "bare": Contestant(lambda: _python("-c", "pass")),
            "import": Contestant(lambda: _python("-c", "import gmmflex.engine.cli")),
            "help": Contestant(lambda: _python("-m", "gmmflex", "--help")),
        },
        rounds,
        budget_s=60.0,
    )
    with TemporaryDirectory() as folder:
        star = Path(folder) / "particles.star"
        columns = _write_star(star, rows)
        read = in_turns(
            {
                "table": Contestant(lambda: read_star(star), rows),
                "particles": Contestant(lambda: read_particle_records(star), rows),
            },
            min(rounds, 3),
            budget_s=60.0,
        )
    return StartUp(
        started["bare"],
        started["import"],
        started["help"],
        read["table"],
        read["particles"],
        rows,
        columns,
    )


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _write_star(path: Path, rows: int) -> int:
    random = np.random.default_rng(1)
    number = np.arange(rows)
    stack = number // _IMAGES_PER_STACK

    def decimals(low: float, high: float) -> np.ndarray:
        return np.char.mod("%.6f", random.uniform(low, high, rows)).astype(object)

    def whole(high: int) -> np.ndarray:
        return np.char.mod("%d", random.integers(1, high + 1, rows)).astype(object)

    columns = {
        "rlnCoordinateX": decimals(0, 4000),
        "rlnCoordinateY": decimals(0, 4000),
        "rlnAngleRot": decimals(-180, 180),
        "rlnAngleTilt": decimals(0, 180),
        "rlnAnglePsi": decimals(-180, 180),
        "rlnOriginXAngst": decimals(-5, 5),
        "rlnOriginYAngst": decimals(-5, 5),
        "rlnImageName": np.array(
            [
                f"{1 + n % _IMAGES_PER_STACK:06d}@Extract/job012/Movies/stack_{s:05d}.mrcs"
                for n, s in zip(number, stack, strict=True)
            ],
            dtype=object,
        ),
        "rlnMicrographName": np.array(
            [f"MotionCorr/job002/Movies/stack_{s:05d}.mrc" for s in stack], dtype=object
        ),
        "rlnOpticsGroup": np.full(rows, "1", dtype=object),
        "rlnDefocusU": decimals(8000, 20000),
        "rlnDefocusV": decimals(8000, 20000),
        "rlnDefocusAngle": decimals(-90, 90),
        "rlnCtfMaxResolution": decimals(3, 5),
        "rlnCtfFigureOfMerit": decimals(0, 0.2),
        "rlnClassNumber": np.full(rows, "1", dtype=object),
        "rlnRandomSubset": whole(2),
        "rlnGroupNumber": whole(500),
        "rlnNormCorrection": decimals(0.8, 1.2),
        "rlnLogLikeliContribution": decimals(1e4, 1e5),
        "rlnMaxValueProbDistribution": decimals(0, 1),
        "rlnNrOfSignificantSamples": whole(100),
    }
    optics = {
        "rlnOpticsGroup": "1",
        "rlnOpticsGroupName": "opticsGroup1",
        "rlnVoltage": "300.0",
        "rlnSphericalAberration": "2.7",
        "rlnAmplitudeContrast": "0.1",
        "rlnImagePixelSize": "1.5",
        "rlnImageSize": "128",
        "rlnImageDimensionality": "2",
    }
    write_star(
        path,
        [
            StarTable("optics", {k: np.array([v], dtype=object) for k, v in optics.items()}),
            StarTable("particles", columns),
        ],
    )
    return len(columns)
