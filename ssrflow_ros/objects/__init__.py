"""Objects: what moves by itself, how, and how surely. Begin with `detector.py`, which is the whole walk."""
