"""Maps: against mrcfile, and the frame in which ChimeraX shows them."""

import bz2
import gzip
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, read_map, write_map

RNG = np.random.default_rng(5)


def _write(path: Path, data, pixel_size_A=2.0, **header):
    with mrcfile.new(path, overwrite=True) as target:
        target.set_data(data)
        target.set_volume()
        target.voxel_size = pixel_size_A
        for name, value in header.items():
            setattr(target.header, name, value)
    return path


def _with_nan(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    return path


def test_values_pixel_size_and_origin_survive_a_round_trip(tmp_path):
    data = RNG.normal(size=(7, 7, 7)).astype(np.float32)
    write_map(tmp_path / "a.mrc", Map(data, 1.06, np.array([-3.5, 2.25, 8.0])))
    again = read_map(tmp_path / "a.mrc")
    np.testing.assert_array_equal(again.data, data)
    assert again.pixel_size_A == 1.06
    np.testing.assert_allclose(again.origin_A, [-3.5, 2.25, 8.0])
    assert mrcfile.validate(tmp_path / "a.mrc")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mrc"]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.float32, np.uint16, np.float16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_mode_and_byte_order_is_read_as_mrcfile_reads_it(tmp_path, dtype, order):
    data = RNG.integers(0, 100, (5, 5, 5)).astype(np.dtype(dtype).newbyteorder(order))
    path = _write(tmp_path / "a.mrc", data)
    with mrcfile.open(path) as theirs:
        np.testing.assert_array_equal(read_map(path).data, theirs.data.astype(np.float32))


def test_start_voxel_places_the_map_where_the_origin_is_zero(tmp_path):
    data = np.ones((4, 4, 4), np.float32)
    path = _write(tmp_path / "a.mrc", data, 2.5, nxstart=-3, nystart=1, nzstart=0)
    np.testing.assert_allclose(read_map(path).origin_A, [-7.5, 2.5, 0.0])
    path = _write(tmp_path / "b.mrc", data, 2.5, nxstart=-3, origin=(1.0, 0.0, 0.0))
    np.testing.assert_allclose(read_map(path).origin_A, [1.0, 0.0, 0.0])


def test_permuted_axes_are_put_in_order(tmp_path):
    data = RNG.normal(size=(4, 4, 4)).astype(np.float32)  # stored (sections, rows, columns)
    path = _write(tmp_path / "a.mrc", data, mapc=3, mapr=1, maps=2, nxstart=5)
    got = read_map(path)
    # sections run along y, rows along x, columns along z
    np.testing.assert_array_equal(got.data, np.einsum("yxz->zyx", data))
    np.testing.assert_allclose(got.origin_A, [0, 0, 10.0])


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_maps_are_read_by_content(tmp_path, suffix, pack):
    data = RNG.normal(size=(4, 4, 4)).astype(np.float32)
    path = _write(tmp_path / "a.mrc", data)
    packed = tmp_path / ("a.map" + suffix)
    packed.write_bytes(pack(path.read_bytes()))
    np.testing.assert_array_equal(read_map(packed).data, data)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(UserError, match="damaged or incomplete"):
        read_map(packed)


def test_what_cannot_be_a_map_is_refused_in_one_sentence(tmp_path):
    cube = np.ones((4, 4, 4), np.float32)
    bad = {
        "not a cubic map": _write(tmp_path / "flat.mrc", np.ones((4, 4, 6), np.float32)),
        "not numbers": _with_nan(_write(tmp_path / "nan.mrc", cube)),
        "no pixel size": _write(tmp_path / "unset.mrc", cube, 0.0),
        "voxels that are not cubic": _write(tmp_path / "aniso.mrc", cube, (2.0, 2.0, 3.0)),
        "right angles": _write(tmp_path / "skew.mrc", cube, cellb=(90, 90, 120)),
        "complex": _write(tmp_path / "complex.mrc", cube.astype(np.complex64)),
        "does not exist": tmp_path / "missing.mrc",
        "is a folder": tmp_path,
    }
    (tmp_path / "png.mrc").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(3000))
    bad["PNG picture"] = tmp_path / "png.mrc"
    (tmp_path / "text.mrc").write_text("resolution 3.2\n" * 200)
    bad["a text file"] = tmp_path / "text.mrc"
    (tmp_path / "empty.mrc").write_bytes(b"")
    bad["an empty file"] = tmp_path / "empty.mrc"
    whole = _write(tmp_path / "cut.mrc", cube)
    whole.write_bytes(whole.read_bytes()[:-64])
    bad["damaged or incomplete"] = whole
    for words, path in bad.items():
        with pytest.raises(UserError, match=words) as caught:
            read_map(path)
        message = str(caught.value)
        assert path.name in message and message.endswith(".") and "\n" not in message


def test_a_map_type_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="cubic"):
        Map(np.zeros((2, 2, 3), np.float32), 1.0, np.zeros(3))
