"""Pages for readers: what a selection found, as one HTML file that needs nothing else."""

from .page import write_report

__all__ = ["write_report"]
