"""Environments by name: what ``[tool.fastenv.envs]`` declares, and which of them somebody asks for.

Standard library only: pytest's warm path reads it.
"""
