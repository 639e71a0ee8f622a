"""What is measured on a CUDA card: gates, selection, and the latency of compact models."""
