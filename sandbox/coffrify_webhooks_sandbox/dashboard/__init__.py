"""The dashboard: shows and controls the sandbox in a browser."""

from .dashboard import Dashboard

__all__ = ["Dashboard"]
