"""How settings are given: options, their bounds and help, and the sentences for wrong ones."""
