"""Images: grid, CTF, projection, splatting, scores."""
