"""Compact models in folders."""
