"""Reduces JSON schemas from the network to a few forms that are safe to render."""
