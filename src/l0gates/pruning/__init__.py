"""Models made smaller: gates attached to any model, and the plain model that remains."""

from .compaction.compact import compact
from .comparison.gains import Report, report
from .gating.attach import attach, detach
from .saving.storage import load, save

__all__ = ["Report", "attach", "compact", "detach", "load", "report", "save"]
