"""`gmmflex select`: particles out of a part of the latent space."""
