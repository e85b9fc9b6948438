"""`python -m gmmflex.engine.cli`."""

from gmmflex.engine.cli import main

if __name__ == "__main__":
    main()
