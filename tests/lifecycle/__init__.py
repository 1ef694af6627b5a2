"""The life of a serving process: signals, reloads, logs, and limits of the system."""
