"""The view in the browser: what is remembered of each sweep, where it comes from, and the page."""
