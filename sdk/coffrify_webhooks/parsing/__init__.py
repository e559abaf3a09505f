"""Signed bytes become a typed event, whatever of them fits."""
