"""`gmmflex morph`: the model in the states that were found."""
