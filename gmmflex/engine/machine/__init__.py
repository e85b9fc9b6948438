"""Where a computation runs: device, processes, memory, progress."""
