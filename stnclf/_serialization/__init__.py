"""TODO _serialization."""
