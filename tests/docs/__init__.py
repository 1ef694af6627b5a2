"""What the papers say is so: snippets run, links lead somewhere, commands exist."""
