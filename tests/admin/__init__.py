"""Tests of the admin interface: every page beside Envoy's, and what the pages change in a running proxy."""
