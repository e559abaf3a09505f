"""What helps to test the handlers of webhooks; nothing in here runs in production."""
