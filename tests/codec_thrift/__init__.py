"""Tests of the Thrift codec: properties, hostile input, and the real libraries as peers."""
