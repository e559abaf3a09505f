"""Compares two catalogs from the view of a receiver that was built with the old one."""

from .change import Change, Kind, Severity
from .compare_catalogs import diff

__all__ = ["Change", "Kind", "Severity", "diff"]
