"""What the tests share: a server, what is asked of it, and films."""
