"""pytest: hooks, options, and running the session inside its environment."""
