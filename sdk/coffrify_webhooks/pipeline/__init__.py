"""The way of one delivery, as generators of effects that perform no I/O themselves."""
