"""From gates that are closed to the plain model that remains."""
