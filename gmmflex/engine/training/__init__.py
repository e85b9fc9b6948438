"""The loop, the step, starts, checkpoints."""
