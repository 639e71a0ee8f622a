"""How a dense model takes the shapes of a compact one: a plain record, its checks, and its application."""
