"""``fastenv pip``: what pip does with an environment, in pip's words."""
