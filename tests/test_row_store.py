"""Rows in memory and in files: the same numbers, and little memory."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.machine.row_store import RowsInFile, RowsInMemory, Storage

SEED = 5


def _values(n, dtype=torch.float32):
    print("seed", SEED)
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(n, 7, 2, generator=generator).to(dtype)


def _file_store(folder, n, dtype=torch.float32):
    return Storage(folder, 1e-12).new("values", n, (7, 2), dtype)


@pytest.mark.parametrize("limit_GB", [1.0, 1e-12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_rows_come_back_as_written(tmp_path, limit_GB, dtype):
    values = _values(50, dtype)
    store = Storage(tmp_path, limit_GB).new("values", 50, (7, 2), dtype)
    for start in (24, 0, 37, 12):
        store.write(start, values[start : start + 13])
    rows = torch.tensor([3, 4, 5, 49, 0, 4, 4, 2, 1, 30, 31])
    found = store.gather(rows)
    assert found.dtype == dtype
    torch.testing.assert_close(found, values[rows], rtol=0, atol=0)
    torch.testing.assert_close(torch.cat(list(store.split(16))), values, rtol=0, atol=0)
    assert (store.shape, len(store)) == ((50, 7, 2), 50)
    assert store.gather(torch.zeros(0, dtype=torch.int64)).shape == (0, 7, 2)


def test_what_fits_is_in_memory_and_what_does_not_in_a_file(tmp_path):
    small = Storage(tmp_path, 50 * 14 * 4 / 1e9).new("small", 50, (7, 2), torch.float32)
    large = Storage(tmp_path, 50 * 14 * 4 / 1e9).new("large", 51, (7, 2), torch.float32)
    assert isinstance(small, RowsInMemory)
    assert isinstance(large, RowsInFile)
    assert [path.name for path in tmp_path.iterdir()] == ["large.rows"]
    large.remove()
    assert list(tmp_path.iterdir()) == []


def test_gathered_rows_are_copies(tmp_path):
    values = _values(9)
    in_memory, in_file = RowsInMemory(values.clone()), _file_store(tmp_path, 9)
    in_file.write(0, values)
    for store in (in_memory, in_file):
        store.gather(torch.arange(9)).zero_()
        torch.testing.assert_close(store.gather(torch.arange(9)), values, rtol=0, atol=0)


def test_the_file_holds_plain_numbers_in_order(tmp_path):
    values = _values(20)
    _file_store(tmp_path, 20).write(0, values)
    on_disk = np.fromfile(tmp_path / "values.rows", dtype=np.float32).reshape(20, 7, 2)
    np.testing.assert_array_equal(on_disk, values.numpy())


def test_rows_that_are_not_there_are_refused(tmp_path):
    store = _file_store(tmp_path, 5)
    for rows in ([5], [-1, 2]):
        with pytest.raises(IndexError, match="0 … 4"):
            store.gather(torch.tensor(rows))
    with pytest.raises(ValueError, match="do not fit"):
        store.write(4, _values(2))
    with pytest.raises(ValueError, match="do not fit"):
        store.write(0, torch.zeros(2, 7))


def test_a_file_that_was_cut_is_reported(tmp_path):
    store = _file_store(tmp_path, 5)
    store.write(0, _values(5))
    with (tmp_path / "values.rows").open("r+b") as stream:
        stream.truncate(3 * 14 * 4)
    assert store.gather(torch.arange(3)).shape == (3, 7, 2)
    with pytest.raises(UserError, match=r"values\.rows has become shorter"):
        store.gather(torch.tensor([2, 3]))


def test_too_little_room_is_said_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="make room there"):
        Storage(tmp_path, 1.0).new("values", 10**12, (1000,), torch.float32)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        Storage(tmp_path / "nowhere", 1e-12).new("values", 10, (2,), torch.float32)


_MUCH = """
import json, resource, sys, torch
from pathlib import Path
from gmmflex.engine.machine.row_store import Storage

def peak_MB():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

n, width = 60_000, 1_500
store = Storage(Path(sys.argv[1]), 0.1).new("values", n, (width,), torch.float32)
block = torch.ones(1000, width)
before = peak_MB()
for start in range(0, n, len(block)):
    store.write(start, block * start)
for rows in torch.randperm(n).split(64):
    found = store.gather(rows)
    assert torch.equal(found[:, 0], found[:, -1])
for part in store.split(512):
    pass
store.remove()
print(json.dumps({"grown_MB": peak_MB() - before}))
"""


@pytest.mark.slow
def test_a_large_store_needs_no_memory(tmp_path):
    """360 MB are written, and read twice; the process grows by the batches alone."""
    done = subprocess.run(
        [sys.executable, "-c", _MUCH, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["grown_MB"] < 40
