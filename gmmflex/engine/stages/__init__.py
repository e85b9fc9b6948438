"""One file per stage; each is a command and a Python function."""
