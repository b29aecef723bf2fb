"""SSRFlow: one file a block, each named as the paper names it; start with `ssrflow.py`."""
