"""Inference from numbers: posteriors, poses, axes, dependence."""
