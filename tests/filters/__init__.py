"""Python filters: hooks, parking, and what a view may do, through every door of the engine."""
