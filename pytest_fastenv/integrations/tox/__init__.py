"""Inside tox: its environments, made and filled by the engine.

tox keeps what is tox's: configuration, the order of steps, what makes it recreate an environment, building packages,
running commands. Here an environment is laid out, and what tox would let pip install is installed.
"""
