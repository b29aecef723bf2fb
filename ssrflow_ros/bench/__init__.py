"""Where the time goes: what `ssrflow bench` measures, one file a question. The method itself knows nothing of it."""
