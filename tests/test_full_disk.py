"""A disk that takes no more, as each of the libraries that write results finds it.

Not a full disk, which only root can make, but a limit on the size of files: to whoever writes it is
the same fault under another number.
"""

import gc
import resource
from contextlib import contextmanager

import matplotlib.figure
import mrcfile
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from safetensors.torch import save_file

from gmmflex.engine.io.arrays import write_archive
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.maps.new_stack import new_stack
from gmmflex.engine.io.text_output import write_atomically
from gmmflex.engine.io.writing import replacing

LIMIT_BYTES = 8192
_NUMBERS = np.random.default_rng(1).normal(size=(64, 64, 8)).astype(np.float32)


@contextmanager
def _no_room():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _numpy(path):
    with replacing(path) as temporary:
        np.save(temporary, _NUMBERS)


def _archive(path):
    write_archive(path, {"a": _NUMBERS})


def _torch(path):
    with replacing(path) as temporary:
        torch.save({"a": torch.from_numpy(_NUMBERS)}, temporary)


def _safetensors(path):
    with replacing(path) as temporary:
        save_file({"a": torch.from_numpy(_NUMBERS)}, temporary)


def _picture(path):
    figure = matplotlib.figure.Figure()
    FigureCanvasAgg(figure)
    figure.add_subplot().imshow(_NUMBERS[..., 0])
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _text(path):
    write_atomically(path, "a line of text\n" * 10_000)


def _map(path):
    write_map(path, Map(_NUMBERS[:32, :32].repeat(4, axis=2), 1.5, np.zeros(3)))


def _stack(path):
    with new_stack(path, (100, 64, 64), 1.5) as images:
        images[:] = 1.0


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (_numpy, "latents.npy"),
        (_archive, "motion.npz"),
        (_torch, "state.pt"),
        (_safetensors, "weights.safetensors"),
        (_picture, "latents.png"),
        (_text, "latents.star"),
        (_map, "neutral.mrc"),
        (_stack, "particles.mrcs"),
    ],
)
def test_every_writer_names_its_file_and_leaves_the_old_one(write, name, tmp_path):
    path = tmp_path / name
    path.write_text("before")
    with pytest.raises(UserError) as caught, _no_room():
        write(path)
    said = str(caught.value)
    # mrcfile leaves its stream open then; it goes now and not in another test without room
    del caught
    gc.collect()
    assert str(path) in said and "cannot be written (" in said and "run the command again" in said
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    # With room it is written.
    write(path)
    assert path.stat().st_size > LIMIT_BYTES


def test_a_stack_that_is_filled_is_one_of_images(tmp_path):
    with new_stack(tmp_path / "s.mrcs", (3, 8, 8), 1.5) as images:
        images[:] = np.arange(3)[:, None, None]
    with mrcfile.open(tmp_path / "s.mrcs") as stack:
        assert stack.is_image_stack() and stack.data.shape == (3, 8, 8)
        assert stack.data[:, 4, 4].tolist() == [0, 1, 2]
        assert float(stack.voxel_size.x) == 1.5
