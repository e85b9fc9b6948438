"""Make `run/`: a small finished analysis, to be read by later versions (tests/test_former_run.py).

Started in an empty folder with the tests of a checkout on PYTHONPATH; the copy that is kept was
made by commit ff658ca, the last one before the engine was moved into rooms; of its files pictures
and checkpoint were left out, and run.json had its folder renamed to /gone/former.
"""

from pathlib import Path

import numpy as np
from sliding_domain import run, simulated

simulated(Path("."), 20.0, 64, seed=1)
run(
    Path("."),
    Path("run"),
    encoder_sites=4,
    epochs=1,
    bodies=("small=B:101-140",),
    model=Path("set/model.cif"),
)

try:
    from gmmflex.engine.runs.results import read_run
except ImportError:  # where it stood then
    from gmmflex.engine.stages.run_results import read_run

results = read_run(Path("run"))
np.save("decoded_A.npy", results.mixtures(results.latents[:5]).positions_A.numpy())
