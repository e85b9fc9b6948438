"""Scipion's volumes as maps of the engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyworkflow.utils as pwutils
from pwem.emlib.image import ImageHandler

from gmmflex.engine.io.maps import Map, read_map
from gmmflex.protocols.steps.step_keys import file_key, input_key

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


@dataclass(frozen=True)
class MaskObject:
    """A mask that is an object of the project."""

    pointer: Any

    def key(self) -> dict | None:
        return input_key(self.pointer)

    def read(self, temporary: str) -> Map:
        return read_scipion_map(self.pointer.get(), temporary)


@dataclass(frozen=True)
class MaskFile:
    """A mask that is a file anywhere."""

    path: str

    def key(self) -> dict | None:
        return file_key(self.path)

    def read(self, temporary: str) -> Map:
        return read_map(self.path)
