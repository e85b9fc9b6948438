"""`gmmflex landscape`: states, ways between them, a report."""
