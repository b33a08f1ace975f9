"""What the operating system gives: locks, copies and clones, digests of trees."""
