"""Wizards of gmmflex: windows that fill in a line of a form."""

from gmmflex.wizards.wizard_parts import GmmflexPartsWizard

__all__ = ["GmmflexPartsWizard"]
