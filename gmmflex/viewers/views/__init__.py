"""What viewers show: plots, tables, pictures, ChimeraX, one kind a file."""
