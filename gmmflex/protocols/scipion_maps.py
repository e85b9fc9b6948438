"""Scipion's volumes as maps of the engine."""

from pathlib import Path

import pyworkflow.utils as pwutils
from pwem.emlib.image import ImageHandler

from gmmflex.engine.io.maps import Map, read_map

MRC_SUFFIXES = (".mrc", ".map", ".ccp4")


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
