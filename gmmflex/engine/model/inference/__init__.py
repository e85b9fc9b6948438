"""What numbers say: posteriors, poses, axes, dependence."""
