"""Fuzzing of everything that reads a user's file; docs/fuzzing.md says how to run it.

One rule is checked: whatever the bytes are, a reader either reads them or raises `UserError`,
within a bounded time and a bounded memory.
"""
