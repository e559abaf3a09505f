"""Small applications to copy from: one per framework, and the handlers that they share."""
