"""Run folders as Scipion's half reads them; needs neither Scipion nor torch."""
