"""Training loops of other libraries: each module imports its own, and is imported by the user."""
