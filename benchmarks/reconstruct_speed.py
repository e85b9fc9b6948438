"""Time and memory of a reconstruction: images of noise, random views.

    python -m benchmarks.reconstruct_speed [--particles 50000] [--box 128] [--threads 2]

Prints the time for reading the images alone, for the sums of all particles (images read,
transformed, inserted by their poses with CTF) and for the maps, and the peak memory, without the
pages of the stack that the system keeps. The stack is written into a temporary folder: 65 kB for
each image of 128 px. `--particles 5000` tells a tenth of it. Other work on the machine counts in
what the clock says, but not in the seconds of the processor.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mrcfile
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.particles import Particles, read_particles
from gmmflex.engine.io.star import StarTable, write_star
from gmmflex.engine.machine.progress import clock
from gmmflex.engine.reconstruction.half_maps import maps_of_halves, sums_of_halves

_PIXEL_SIZE_A = 1.5
# Written and read at once.
_AT_ONCE = 500


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """The largest memory of this process in GB, looked at every 20 ms, of which no file is the
    source; the second value is that at the beginning."""
    peaks = [_anonymous_GB()] * 2
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peaks[0] = max(peaks[0], _anonymous_GB())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        done.set()
        watcher.join()


def _anonymous_GB() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return int(values["RssAnon"].split()[0]) * 1024 / 1e9


def made_particles(folder: Path, count: int, box_px: int) -> Particles:
    """A stack of noise and its star file."""
    random = np.random.default_rng(1)
    shape = (count, box_px, box_px)
    with mrcfile.new_mmap(folder / "noise.mrcs", shape, mrc_mode=2, overwrite=True) as stack:
        stack.voxel_size = _PIXEL_SIZE_A
        for first in range(0, count, _AT_ONCE):
            n = min(_AT_ONCE, count - first)
            stack.data[first : first + n] = random.normal(size=(n, box_px, box_px))
    angles = Rotation.random(count, random_state=2).as_euler("ZYZ", degrees=True)
    defocus_A = random.uniform(8000, 20000, count)
    columns = {
        "rlnImageName": np.array([f"{i + 1:06d}@noise.mrcs" for i in range(count)]),
        "rlnOpticsGroup": np.ones(count, dtype=np.int64),
        "rlnDefocusU": defocus_A,
        "rlnDefocusV": defocus_A,
        "rlnDefocusAngle": np.zeros(count),
        "rlnRandomSubset": np.arange(count) % 2 + 1,
        "rlnOriginXAngst": random.normal(size=count),
        "rlnOriginYAngst": random.normal(size=count),
        **{f"rlnAngle{axis}": angles[:, k] for k, axis in enumerate(("Rot", "Tilt", "Psi"))},
    }
    optics = {
        "rlnOpticsGroup": np.array([1]),
        "rlnVoltage": np.array([300.0]),
        "rlnSphericalAberration": np.array([2.7]),
        "rlnAmplitudeContrast": np.array([0.1]),
        "rlnImagePixelSize": np.array([_PIXEL_SIZE_A]),
        "rlnImageSize": np.array([box_px]),
    }
    write_star(
        folder / "particles.star", [StarTable("optics", optics), StarTable("particles", columns)]
    )
    return read_particles(folder / "particles.star")


def main(count: int, box_px: int, threads: int) -> None:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        particles = made_particles(Path(folder), count, box_px)
        start = time.monotonic()
        for first in range(0, count, _AT_ONCE):
            particles.read_images(np.arange(first, min(first + _AT_ONCE, count)))
        read_s = time.monotonic() - start
        # A few particles first: what is compiled is not counted.
        sums_of_halves(particles, np.arange(64), log=lambda text: None)
        with peak_memory() as peaks:
            start, cpu = time.monotonic(), time.process_time()
            sums = sums_of_halves(particles)
            sums_s, sums_cpu_s = time.monotonic() - start, time.process_time() - cpu
            start, cpu = time.monotonic(), time.process_time()
            maps_of_halves(sums, "auto")
            maps_s, maps_cpu_s = time.monotonic() - start, time.process_time() - cpu
    print(f"{count:,} images of {box_px} px, {threads} threads")
    print(f"read alone {clock(read_s)}, sums {clock(sums_s)} (of the processor {sums_cpu_s:.0f} s)")
    print(f"maps, FSC and mask {clock(maps_s)} (of the processor {maps_cpu_s:.0f} s)")
    print(f"peak memory {peaks[0]:.2f} GB, of which {peaks[1]:.2f} GB before the first image")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, default=50_000)
    parser.add_argument("--box", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    main(options.particles, options.box, options.threads)
