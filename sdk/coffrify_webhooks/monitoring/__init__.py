"""What a receiver knows of itself: who observes it, which secrets are in use, how it is."""
