"""What all commands share: options from settings, endings, signals, progress."""
