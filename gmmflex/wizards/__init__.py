"""Wizards of gmmflex: windows that fill in a line of a form."""

from gmmflex.wizards.wizard_parts import GmmflexPartsWizard
from gmmflex.wizards.wizard_trajectory import GmmflexTrajectoryWizard

__all__ = ["GmmflexPartsWizard", "GmmflexTrajectoryWizard"]
