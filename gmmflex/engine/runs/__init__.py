"""A finished run as objects: settings, particles, arrays, results."""
