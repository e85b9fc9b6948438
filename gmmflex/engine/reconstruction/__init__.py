"""Maps and half maps from particles."""
