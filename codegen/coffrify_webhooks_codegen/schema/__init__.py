"""A JSON schema of a stranger's becomes a small one that is safe to render."""
