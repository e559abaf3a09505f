"""What a handler is: the function, what it asks for, and which events it wants."""
