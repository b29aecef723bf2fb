"""Accuracy against labels: metrics in one place, and the pairs that they are measured on."""
