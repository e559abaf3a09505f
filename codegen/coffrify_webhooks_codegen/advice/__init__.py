"""Advises which of a program's handlers a change of the catalog breaks, at file and line."""

from .advise import Advice, Finding, advise

__all__ = ["Advice", "Finding", "advise"]
