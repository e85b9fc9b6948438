"""What each stage can be told, with bounds and defaults; needs no torch."""
