"""Admin endpoints: one file per page. Pages are pure functions from what the engine knows to bytes; who serves them
is elsewhere.
"""
