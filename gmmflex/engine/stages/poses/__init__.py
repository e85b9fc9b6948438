"""`gmmflex poses`: orientations and shifts against each particle's own mixture."""
