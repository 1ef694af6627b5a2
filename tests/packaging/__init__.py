"""What is built and how it starts: metadata, source distribution, scripts, imports."""
