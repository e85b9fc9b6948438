"""`gmmflex movie`: the motion to watch."""
