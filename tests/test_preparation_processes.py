"""Two processes prepare the same as one: images, ring weights, encoder inputs, layout."""

import numpy as np
import pytest
import torch
from several_processes import ready_torchrun_words, run_to_end

pytestmark = pytest.mark.slow

_PREPARE = """
import sys
from pathlib import Path

import torch

from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.machine.processes import joined

folder = Path(sys.argv[1])
torch.set_num_threads(1)
with joined() as processes:
    store = Storage(folder, 1.0, processes).new("values", 11, (3,), torch.float32)
    block = processes.block(11)
    store.write(block.start, torch.arange(11.0)[block.start : block.stop, None].expand(-1, 3))
    store.complete(processes)
    name = f"rows_{processes.rank}_of_{processes.size}.pt"
    torch.save(store.gather(torch.arange(11)), folder / name)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, ready_python):
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "prepare.py").write_text(_PREPARE)
    for size in (1, 2):
        words = (str(folder / "prepare.py"), str(folder))
        done = run_to_end(ready_torchrun_words(ready_python, size, *words))
        assert done.returncode == 0, done.stderr
    return folder


def _results(folder, what):
    return [torch.load(folder / f"{what}_{rank}_of_2.pt", weights_only=True) for rank in (0, 1)]


def test_each_process_reads_the_rows_of_both(prepared):
    for rows in _results(prepared, "rows"):
        np.testing.assert_array_equal(rows.numpy(), np.repeat(np.arange(11.0)[:, None], 3, 1))
