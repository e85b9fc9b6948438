"""`make demo`: from simulated particles to a latent space, through a real Scipion project."""
