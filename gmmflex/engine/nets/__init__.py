"""Encoder and decoders."""
