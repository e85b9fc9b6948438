"""`gmmflex info`: what is in a file, and whether particles and map fit."""
