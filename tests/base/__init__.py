"""Tests of base/: each struct against a model in plain Python."""
