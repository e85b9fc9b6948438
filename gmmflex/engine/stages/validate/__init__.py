"""`gmmflex validate`: what of a motion is more than noise."""
