"""`gmmflex neutral`: a mixture from a map, a model, or both."""
