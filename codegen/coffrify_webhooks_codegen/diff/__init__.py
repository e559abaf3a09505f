"""The difference of two catalogs, as a receiver built against the old one meets it."""

from .change import Change, Kind, Severity
from .compare_catalogs import diff

__all__ = ["Change", "Kind", "Severity", "diff"]
