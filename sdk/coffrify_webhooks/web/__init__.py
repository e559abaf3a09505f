"""What the pages of the inbox and of the sandbox share: styles, scripts, and wording."""
