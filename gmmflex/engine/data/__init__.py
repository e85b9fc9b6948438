"""Particles as rows: images, encoder inputs, scores, read ahead."""
