"""What every adapter needs of a request, and what it gives back."""
