"""The sender's management API: its endpoints, and the deliveries to them."""
