"""Tests of codec/ and of its public face, mesh.codec."""
