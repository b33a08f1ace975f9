"""The store looks after itself: what it holds, whether that is whole, and what may go."""
