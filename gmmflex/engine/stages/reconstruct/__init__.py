"""`gmmflex reconstruct`: maps of states from particles."""
