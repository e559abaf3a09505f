"""Reads the catalog of event types, and generates typed event classes from it."""
