"""A mixture of Gaussians: density, offsets, seeding, fitting to a map."""
