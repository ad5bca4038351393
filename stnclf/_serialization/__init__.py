"""How models and checkpoints become bytes: a safetensors container with a JSON description."""
