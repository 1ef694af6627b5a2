"""Real peers for tests: each file starts one kind of program that is not ours to write.

A peer is an operating-system process with its own directory, started on ports that `ports.py` reserves, and always
stopped by whoever started it. Nothing here knows what a test wants to prove. Callers: tests, on their own event loop.
"""
