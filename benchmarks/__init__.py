"""Benchmarks: this project, uv and pip side by side on an index of their own; see README.md in this directory."""
