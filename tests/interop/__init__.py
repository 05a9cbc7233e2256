"""Software that nobody here wrote, calling the engine."""
