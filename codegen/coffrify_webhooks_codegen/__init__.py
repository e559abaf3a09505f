"""The catalog of event types, and the generator that makes typed event classes of it."""
