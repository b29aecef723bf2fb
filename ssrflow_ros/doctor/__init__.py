"""`ssrflow doctor`: looks at a stream of clouds and at this machine, and says what is wrong. No ROS.

What it looks at is gathered by `formats/bags.py` (a recording) or `node/observer.py` (a live system).
"""
