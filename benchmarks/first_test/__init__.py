"""How long a person waits for the first test, beside uv."""
