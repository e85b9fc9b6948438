"""Every file of GMMFLEX_TEST_DATA is read right or refused clearly.

The expected values were taken from the files with awk, od and numpy.fromfile, not with gmmflex.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.models import read_model, read_states
from gmmflex.engine.io.particles import read_particle_records, read_particles
from gmmflex.engine.stages.info.stage import describe

DATA = Path(os.environ.get("GMMFLEX_TEST_DATA", ""))

pytestmark = pytest.mark.outside_data

ASPIRE_ROW_1 = {
    "defocus": (21186.804688, 21363.109375, 7.476096),
    "angles": (109.186640, 122.200343, 71.118492),
    "count": 17,
    "halves": (10, 7),
    "first": "000001@sample.mrcs",
    "last": "000017@sample.mrcs",
    "last_angles": (130.487578, 87.229432, -120.014857),
}
RELION_30 = {
    **ASPIRE_ROW_1,
    "pixel_size_A": 5.0e4 / 37369.207031,
    "origin_A": (0.1996 * 5.0e4 / 37369.207031,) * 2,
    "optics_groups": {1: 17},
    "voltages_kv": {200: 9, 300: 8},
    "box_px": None,
}
PARTICLES = {
    "metadata/aspire_sample_particles_relion30.star": RELION_30,
    "metadata/aspire_sample_relion_symmetry_group_D4.star": RELION_30,
    "metadata/aspire_sample_particles_relion31.star": {
        **ASPIRE_ROW_1,
        "pixel_size_A": 1.4,
        "origin_A": (0.1996, 0.1996),
        "optics_groups": {1: 8, 2: 9},
        "voltages_kv": {300: 8, 200: 9},
        "box_px": None,
    },
    "metadata/cryolike_relion_style_particles.star": {
        "count": 106,
        "first": "000001@100parts.mrcs",
        "last": "000106@100parts.mrcs",
        "defocus": (11798.491211, 11516.760742, 259.128021),
        "angles": (-175.64627, 69.778893, 124.646599),
        "last_angles": (-85.25178, 164.861115, -22.77268),
        "origin_A": (0.162908, 2.218803),
        "pixel_size_A": 0.725,
        "optics_groups": {1: 106},
        "voltages_kv": {300: 106},
        "halves": (51, 55),
        "box_px": 384,
    },
    "images/relion31.star": {
        "count": 5,
        "first": "000001@relion31.mrcs",
        "last": "000005@relion31.mrcs",
        "defocus": (13108.082418, 12845.582418, -160.39),
        "angles": (-102.30296, 82.318041, 124.706463),
        "last_angles": (162.855018, 84.493794, 140.014019),
        "origin_A": (0.019324, -0.64686),
        "pixel_size_A": 2.806,
        "optics_groups": {1: 5},
        "voltages_kv": {300: 5},
        "halves": (5, 0),
        "box_px": 256,
    },
}

WARP = "real_tilts/warp/warptools_test_4-tomos_10-ptcls_box-32_angpix-12"
REFUSED = {
    "metadata/cryocat_relion_3.0.star": ["tomography", "_rlnCtfImage"],
    "metadata/cryocat_relion_3.1_optics.star": ["tomography", "_rlnCtfImage"],
    "metadata/cryocat_relion_3.1_optics2.star": ["tomography", "_rlnCtfImage"],
    "metadata/cryolike_old_particle_data.star": ["without poses", "_rlnAngleRot", "refine"],
    "metadata/cryolike_particle_data.star": ["no particles", "data_images", "_rlnImageName"],
    "metadata/cylindra_run_it025_data.star": ["tomography", "_rlnTomo"],
    "metadata/cylindra_run_it050_data.star": ["tomography", "_rlnTomo"],
    "metadata/napari_starfile_example_particles_with_optics.star": ["tomography", "_rlnCtfImage"],
    "metadata/starfile_empty_loop.star": ["no particles", "_rlnImageName"],
    "metadata/starfile_postprocess.star": ["no particles", "data_fsc"],
    "metadata/starfile_rln3.1_data_style.star": ["several tables", "data_block_2"],
    "metadata/4k_dataset.cs": ["no particles", "no rows"],
    "metadata/cryosparc_J2_particles_exported.cs": ["without poses", "2D classification"],
    "images/relion31.mrcs": ["not a particle file"],
    "real_tilts/particles.star": ["multiplied by their CTF", "_rlnCtfDataAreCtfPremultiplied"],
    f"{WARP}.star": ["tomography", "_rlnTomo"],
    f"{WARP}_optimisation_set.star": ["no particles", "_rlnImageName"],
    f"{WARP}_tomograms.star": ["no particles", "_rlnImageName"],
}

# side, pixel size (cell / grid), origin (header, else nstart x pixel size), minimum, maximum, mean
MAPS = {
    "maps/betaGal.mrc": (100, 3.54, (0, 0, 0), -0.052969452, 0.19695799, -6.7829926e-05),
    "maps/groel-11.5A.mrc": (100, 2.7, (-135, -135, -135), -1.3411559, 2.365029, 0.08132881),
    "maps/EMD-3197.map": (20, 11.4, (-22.8, 0, 0), -4.1337457, 5.576737, 0.783612),
    "maps/EMD-3197.map.bz2": (20, 11.4, (-22.8, 0, 0), -4.1337457, 5.576737, 0.783612),
    "real_tilts/map.mrc": (32, 12.0, (0, 0, 0), -0.05508365, 0.113495, 3.0857481e-04),
    "real_tilts/map_other_hand.mrc": (
        *(32, 12.0024, (0, 0, 0)),
        *(-6.295965e-04, 2.4543519e-03, 1.7578228e-05),
    ),
    "maps/1ake.mrc": (64, 2.0, (-64, -64, -64), -0.024968466, 2.418659, 0.012866542),
}

# atoms (one conformation), Cα (those of ATOM records), first and last coordinates of the file
MODELS = {
    "models/1ewk.pdb.gz": (7894, 897, (15.624, -10.527, 1.751), (13.815, 11.923, 42.678)),
    "models/1ewt.pdb.gz": (7282, 912, (8.711, 13.940, 65.600), (-26.873, -0.179, 36.033)),
    "models/1igt.pdb": (12956, 1316, (1.600, -85.453, 44.624), (19.634, -15.486, -15.565)),
    "models/3kg2.pdb.gz": (22686, 3116, (-69.207, -37.729, -11.841), (6.589, -3.064, -57.483)),
    "models/6qkz.pdb.gz": (13949, 3386, (91.742, 149.563, 264.872), (171.468, 181.961, 171.144)),
    "models/6vxx.pdb.gz": (23694, 2916, (171.646, 251.874, 224.877), (252.291, 211.910, 258.425)),
    "models/apoferritin_ca_apo_def.pdb": (
        4080,
        4080,
        (107.419, 36.193, 110.164),
        (110.065, 44.023, 86.930),
    ),
    "models/apoferritin_ca_apo_sym.pdb": (
        4080,
        4080,
        (106.449, 36.678, 110.164),
        (99.876, 48.875, 91.297),
    ),
    "models/best_fit_centered.pdb": (
        3362,
        3362,
        (-46.348, -26.349, 14.542),
        (4.793, -6.412, -89.823),
    ),
    "models/domainmotion/P0DP23/1CLL_A.pdb": (
        576,
        144,
        (-6.873, 21.082, 25.312),
        (12.239, 16.249, -1.625),
    ),
    "models/domainmotion/P0DP23/5GGM_A.pdb": (
        584,
        146,
        (49.672, -15.532, 15.189),
        (37.061, -13.710, 2.958),
    ),
    "models/domainmotion/P28366/1M74_A.pdb": (
        3208,
        802,
        (33.327, 75.372, 27.785),
        (50.830, 61.198, 60.985),
    ),
    "models/domainmotion/P28366/1TF2_A.pdb": (
        3088,
        772,
        (39.006, -42.387, -12.626),
        (71.414, 33.603, 15.616),
    ),
    "models/domainmotion/P69441/1AKE_A.pdb": (
        856,
        214,
        (26.981, 53.977, 40.085),
        (13.852, 57.041, 41.020),
    ),
    "models/domainmotion/P69441/4AKE_A.pdb": (
        856,
        214,
        (-10.928, -24.892, -9.518),
        (-12.524, -26.410, -19.615),
    ),
}

NO_DATA = {"README.md", "models/domainmotion/LICENSE", "real_tilts/README.md"}


def test_every_file_stands_in_a_table():
    files = (path.relative_to(DATA) for path in DATA.rglob("*") if path.is_file())
    # stacks of the tilt images are read through the star files that name them
    there = {str(path) for path in files if path.parts[0] != "real_tilts" or path.suffix != ".mrcs"}
    assert there, f"GMMFLEX_TEST_DATA={DATA} holds no files"
    assert there == {*PARTICLES, *REFUSED, *MAPS, *MODELS, *NO_DATA}


@pytest.mark.parametrize("name", PARTICLES)
def test_particles_are_read_right(name):
    records, expected = read_particle_records(DATA / name), PARTICLES[name]
    assert len(records) == expected["count"]
    assert records.image_names[[0, -1]].tolist() == [expected["first"], expected["last"]]
    assert records.pixel_size_A == pytest.approx(expected["pixel_size_A"], rel=1e-6)
    assert records.box_px == expected["box_px"]
    ctf = records.ctf
    first = (ctf.defocus_u_A[0], ctf.defocus_v_A[0], ctf.defocus_angle_deg[0])
    assert first == pytest.approx(expected["defocus"])
    for values, counts in (
        (records.optics_group, expected["optics_groups"]),
        (ctf.voltage_kv, expected["voltages_kv"]),
    ):
        assert dict(zip(*np.unique(values, return_counts=True), strict=True)) == counts
    halves = tuple(int((records.half_set == half).sum()) for half in (1, 2))
    assert halves == expected["halves"]
    np.testing.assert_allclose(records.origins_A[0], expected["origin_A"], rtol=1e-6)
    for row, angles in ((0, expected["angles"]), (-1, expected["last_angles"])):
        matrix = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
        np.testing.assert_allclose(records.rotations[row], matrix, atol=1e-12)


@pytest.mark.parametrize("name", sorted({*PARTICLES} - {"images/relion31.star"}))
def test_particles_without_their_stacks_say_so(name):
    with pytest.raises(UserError, match=r"1 of 1 image stacks .*(sample|100parts)\.mrcs"):
        read_particles(DATA / name)
    assert dict(describe(DATA / name).rows)["image stacks"] == "0 of 1 found"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_sentence(name):
    with pytest.raises(UserError) as caught:
        read_particles(DATA / name)
    message = str(caught.value)
    for words in [Path(name).name, *REFUSED[name]]:
        assert words in message
    assert "\n" not in message
    assert describe(DATA / name).rows


def test_images_are_those_of_the_file():
    raw = np.fromfile(DATA / "images/relion31.mrcs", "<f4", offset=1024).reshape(5, 256, 256)
    images = read_particles(DATA / "images/relion31.star").read_images(np.array([4, 0]))
    np.testing.assert_array_equal(images, raw[[4, 0]])
    assert images[0, 255, 3] == pytest.approx(0.9994654) and images[1, 0, 0] == pytest.approx(
        0.285425
    )


@pytest.mark.parametrize("name", MAPS)
def test_maps(name):
    density, (side, pixel_size_A, origin_A, low, high, mean) = read_map(DATA / name), MAPS[name]
    assert density.data.shape == (side, side, side)
    assert density.pixel_size_A == pytest.approx(pixel_size_A, rel=1e-6)
    np.testing.assert_allclose(density.origin_A, origin_A, atol=1e-4)
    assert density.data.min() == pytest.approx(low) and density.data.max() == pytest.approx(high)
    assert density.data.mean(dtype=np.float64) == pytest.approx(mean, rel=1e-4)
    assert describe(DATA / name).kind == "map"


def test_the_compressed_map_is_the_plain_one():
    plain, packed = (read_map(DATA / f"maps/EMD-3197.map{end}") for end in ("", ".bz2"))
    np.testing.assert_array_equal(plain.data, packed.data)


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    model, (atoms, alpha_carbons, first, last) = read_model(DATA / name), MODELS[name]
    assert len(model) == atoms and len(read_states(DATA / name)) == 1
    assert len(model.alpha_carbons()) == alpha_carbons
    np.testing.assert_allclose(model.coordinates_A[0], first, atol=1e-9)
    np.testing.assert_allclose(model.coordinates_A[-1], last, atol=1e-9)
    assert describe(DATA / name).kind == "atomic model"
