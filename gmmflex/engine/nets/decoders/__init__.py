"""The built-in kinds of decoders, one a file; `settings/decoder_registry.py` lists them."""
