"""Accuracy and speed, each by one command; not part of the test suite."""
