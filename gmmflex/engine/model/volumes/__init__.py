"""Maps in three dimensions: back-projection, slices, warping, local resolution."""
