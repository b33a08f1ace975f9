"""The story, and what wires it: the question, the engine, build environments, resolutions, amendments."""
