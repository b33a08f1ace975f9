"""Real artifacts, a real package index on loopback: what the tests of all rooms are made with."""
