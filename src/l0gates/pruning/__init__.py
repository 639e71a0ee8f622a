"""Models made smaller: gates attached to any model, and the plain model that remains."""

from .attach import attach, detach
from .compact import compact
from .gains import Report, report
from .storage import load, save

__all__ = ["Report", "attach", "compact", "detach", "load", "report", "save"]
