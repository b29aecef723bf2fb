"""Training on simulated pairs; nothing outside this folder imports it, but for the command line."""
