"""What a delivery can be sent to, and how: each is known without importing its framework."""
