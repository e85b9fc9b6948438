"""Between Scipion's objects and the files that the engine reads and writes."""
