"""Gates on a model, in place: which groups, where they multiply, what a forward draws."""
