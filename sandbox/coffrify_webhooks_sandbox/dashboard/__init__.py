"""The dashboard: everything that the sandbox does, to be seen and done in a browser."""

from .dashboard import Dashboard

__all__ = ["Dashboard"]
