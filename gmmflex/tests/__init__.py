"""Tests that `scipion tests gmmflex.tests` runs on the machine of a user."""
