"""The window that explores a latent space: points, places, subsets, decoded states."""
