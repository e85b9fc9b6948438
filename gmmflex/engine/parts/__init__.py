"""Neutral mixtures, bodies, regions and symmetry copies of a run."""
