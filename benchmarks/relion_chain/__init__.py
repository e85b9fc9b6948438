"""A real refinement between particles and analysis: RELION's poses, with RELION's errors."""
