"""Every thread, task and timer that this library starts."""
