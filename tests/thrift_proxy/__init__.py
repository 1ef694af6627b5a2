"""Tests of the Thrift proxy's parts that need no sockets."""
