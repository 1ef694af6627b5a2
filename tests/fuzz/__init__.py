"""Fuzz targets of the codecs, one module each, and the driver that runs them: `python -m tests.fuzz`."""
