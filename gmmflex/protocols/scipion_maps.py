"""Scipion's volumes as maps of the engine."""

from pathlib import Path

import pyworkflow.utils as pwutils
from pwem.emlib.image import ImageHandler

from gmmflex.engine.io.maps import Map, read_map

MRC_SUFFIXES = (".mrc", ".map", ".ccp4")


def centred_like(density: Map, reference: Map) -> Map:
    """`density` moved so that its box centre (voxel M // 2) lies where that of `reference` does."""
    centre_A = reference.origin_A + (reference.box_px // 2) * reference.pixel_size_A
    origin_A = centre_A - (density.box_px // 2) * density.pixel_size_A
    return Map(density.data, density.pixel_size_A, origin_A)


def read_scipion_map(volume, temporary: str) -> Map:
    """The map of a Volume with Scipion's pixel size, whatever format and header its file has.

    temporary: where an MRC copy may be put, for the formats that the engine does not read.
    """
    path = volume.getFileName().replace(":mrc", "")
    if Path(path).suffix.lower() not in MRC_SUFFIXES:
        pwutils.makeFilePath(temporary)
        ImageHandler().convert(volume, temporary)
        path = temporary
    density = read_map(path)
    return Map(density.data, float(volume.getSamplingRate()), density.origin_A)
