"""The frame of a map: where its first voxel lies, for Scipion, for the file and for a model.

Scipion keeps an origin beside the file (by default it puts the box centre at 0), while a model
fitted outside Scipion follows the header of the map. A mixture that starts from both has to know
which of the two holds.
"""

from dataclasses import replace

import numpy as np

from gmmflex.engine.io.maps import Map

ORIGIN_AUTOMATIC = 0
ORIGIN_OF_FILE = 1
ORIGIN_OF_SCIPION = 2


def density_at(density: Map, coordinates_A: np.ndarray) -> float:
    """Mean of the map at the voxels nearest to the coordinates; outside the box it counts as 0."""
    index = np.round((coordinates_A - density.origin_A) / density.pixel_size_A).astype(int)
    inside = ((index >= 0) & (index < density.box_px)).all(axis=1)
    if not inside.any():
        return 0.0
    x, y, z = index[inside].T
    return float(density.data[z, y, x].sum() / len(index))


def with_origin(
    density: Map, scipion_origin_A, choice: int, coordinates_A: np.ndarray | None
) -> tuple[Map, str]:
    """The map in the frame that was chosen, and a sentence about it.

    coordinates_A: (n, 3) of the fitted model, or None. Automatic means: with a model, the frame
    in which its atoms lie in more density; without one, the frame that Scipion shows.
    """
    in_scipion = replace(density, origin_A=np.asarray(scipion_origin_A, dtype=np.float64))
    if choice == ORIGIN_OF_FILE:
        return density, "Origin taken from the header of the map."
    if choice == ORIGIN_OF_SCIPION or coordinates_A is None:
        return in_scipion, "Origin taken from Scipion."
    of_file = density_at(density, coordinates_A)
    of_scipion = density_at(in_scipion, coordinates_A)
    if of_file > of_scipion:
        return density, (
            "Origin taken from the header of the map: the model's atoms lie in a mean density of "
            f"{of_file:.3g} there, {of_scipion:.3g} with Scipion's origin."
        )
    return in_scipion, (
        "Origin taken from Scipion: the model's atoms lie in a mean density of "
        f"{of_scipion:.3g} there, {of_file:.3g} with the origin in the header."
    )
