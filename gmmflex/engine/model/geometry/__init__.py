"""Rigid motions, backbones, symmetry: geometry of points."""
