"""STAR files and their columns."""

from gmmflex.engine.io.star.star import StarTable, read_star, write_star

__all__ = ["StarTable", "read_star", "write_star"]
