"""Do particles, poses, CTF and map fit together, and what is wrong if not."""
