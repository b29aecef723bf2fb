"""Searches over NumPy clouds, without torch: the process that prepares sweeps needs no more, and torch takes 180 MB."""
