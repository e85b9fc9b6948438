"""The options of each stage, with bounds and defaults; needs no torch."""
