"""`gmmflex heterogeneity`: from particles and a neutral mixture to a latent space."""
