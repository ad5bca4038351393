"""TODO _utils."""
