"""From a table as the user has it to standardised float32 columns, and the gate that each of them shares."""

from .table import TableEncoder

__all__ = ["TableEncoder"]
