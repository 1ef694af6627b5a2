"""Tests of mesh.xds."""
