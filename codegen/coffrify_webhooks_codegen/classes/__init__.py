"""Generates a package of typed event classes from lowered schemas."""
