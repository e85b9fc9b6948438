"""Run folders: their record, lock and state."""
