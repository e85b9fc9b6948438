"""`python -m gmmflex`: the engine's command line."""

from gmmflex.engine.cli import main

if __name__ == "__main__":
    main()
