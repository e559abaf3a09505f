"""Lowered schemas become the source of a package of typed event classes."""
