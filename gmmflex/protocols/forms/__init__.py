"""The sections of the protocols' forms."""
