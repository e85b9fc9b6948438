"""What moves and how far: modes, bodies, coordination, carried models."""
