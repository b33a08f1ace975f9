"""Values without input or output: what the rooms hand to each other."""
