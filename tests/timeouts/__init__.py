"""Every timeout of the HTTP/1 path: who is answered what, and what is counted."""
