"""What ``l0gates select`` does: reads a table, chooses, scores, prints and writes."""
