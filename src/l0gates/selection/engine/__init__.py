"""The path engine: gates trained along a path of penalty weights, and the choice from it."""
