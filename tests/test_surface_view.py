"""The surface that one sees, against a sphere whose every point is known."""

import numpy as np

from gmmflex.engine.model.volumes.surface_view import surface_view

BOX, RADIUS, CENTRE = 48, 15.3, (20.0, 25.0, 23.0)  # x, y, z in voxels


def _sphere():
    z, y, x = np.indices((BOX, BOX, BOX), dtype=np.float64)
    distance = np.sqrt((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2)
    # Falls by 1 in each voxel, and is 0 on the sphere.
    return (RADIUS - distance).astype(np.float32)


def test_a_sphere_is_seen_where_it_is():
    seen = surface_view(_sphere(), 0.0)
    y, x = np.indices((BOX, BOX))
    from_axis = np.hypot(x - CENTRE[0], y - CENTRE[1])
    # Row 0 of the picture is the largest y.
    hit, places, normals = (part[::-1] for part in (seen.hit, seen.places_px, seen.normals))
    assert hit[from_axis < RADIUS - 0.8].all()
    assert not hit[from_axis > RADIUS].any()
    inner = from_axis < 0.8 * RADIUS
    expected_z = CENTRE[2] + np.sqrt(RADIUS**2 - from_axis[inner] ** 2)
    np.testing.assert_allclose(places[inner][:, 2], expected_z, atol=0.05)
    np.testing.assert_array_equal(places[inner][:, 0], x[inner])
    np.testing.assert_array_equal(places[inner][:, 1], y[inner])
    outwards = places[inner] - np.array(CENTRE)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    np.testing.assert_allclose(normals[inner], outwards, atol=0.03)


def test_the_nearer_of_two_surfaces_is_seen():
    density = np.zeros((20, 5, 5), dtype=np.float32)
    density[4], density[15] = 1.0, 1.0
    seen = surface_view(density, 0.5)
    np.testing.assert_allclose(seen.places_px[..., 2], 15.5)


def test_nothing_is_seen_where_nothing_is():
    seen = surface_view(np.zeros((6, 6, 6), dtype=np.float32), 0.5)
    assert not seen.hit.any()
    assert not seen.normals.any()
    np.testing.assert_array_equal(seen.places_px[..., 2], -1.0)
