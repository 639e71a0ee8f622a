"""Two models run on the same inputs: whether they compute the same, and what each of them takes."""
