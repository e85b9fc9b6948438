"""MRC maps, masks and stacks."""

from gmmflex.engine.io.maps.maps import Map, read_map, write_map

__all__ = ["Map", "read_map", "write_map"]
