"""`gmmflex simulate`: particles with a known truth."""
