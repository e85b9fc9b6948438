"""Gaussian mixture, projection, CTF and FRC: pure functions and small types on tensors."""
