"""`make demo`."""

from __future__ import annotations

import os
import sys
import time
from importlib.resources import files
from pathlib import Path

from demo.places import OUTPUT, PICTURES, PROJECT, SIMULATED
from demo.scipion_project import PIXEL_SIZE_A, DemoFailed, run_project
from gmmflex.engine.stages.simulate.stage import SimulateSettings, simulate

PARTICLES = 3000


def main() -> int:
    """Run the demo; exit code 0 if everything finished."""
    started = time.monotonic()
    print(f"1/3  Simulating {PARTICLES} particles of adenylate kinase closing", flush=True)
    trajectories = Path(str(files("MDAnalysisTests"))) / "data"
    simulate(
        SimulateSettings(
            output=SIMULATED,
            trajectory=trajectories / "adk_dims.dcd",
            topology=trajectories / "adk.psf",
            particles=PARTICLES,
            box_px=64,
            pixel_size_A=PIXEL_SIZE_A,
            snr=0.1,
            poses="uneven",
            overwrite=True,
        )
    )
    print("2/3  Running the Scipion project, without a window", flush=True)
    try:
        neutral, run = run_project(threads=_cores())
    except DemoFailed as fault:
        print(f"demo: error: {fault}", file=sys.stderr)
        return 1
    print("3/3  Comparing with the truth and drawing", flush=True)
    # Imported here: torch takes seconds, and Scipion's half must not need it.
    from demo.pictures import draw_all
    from demo.table import table_against_truth

    table = table_against_truth(run, SIMULATED)
    (OUTPUT / "table.txt").write_text(table + "\n", encoding="utf-8")
    pictures = draw_all(PICTURES, SIMULATED, neutral, run)
    print(f"\n{table}\n")
    print("Pictures:")
    for picture in pictures:
        print(f"  {picture}")
    print(f"Scipion project: {PROJECT}")
    print("Open it in Scipion's window with:  make gui")
    print(f"The demo took {time.monotonic() - started:.0f} s.")
    return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
