"""`make soak`: the real node with large clouds for minutes, disturbed in every way; see docs/operation.md."""
