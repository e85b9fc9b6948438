"""Questions to a cloud of points: clusters, density, paths, trajectories, rings."""
