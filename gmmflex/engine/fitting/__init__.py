"""Latents and poses fitted to single particles."""
