"""What protocols share beside their forms: checks, jobs of the engine, inputs and outputs."""
