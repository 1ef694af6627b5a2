"""The peer comparison: our proxy, Envoy, HAProxy, nginx and a bare byte relay under the same load, side by side.

`python -m bench` from the root of the repository runs it; `make bench` does the same.

    account     CPU and memory of a process tree, from the kernel's own accounts
    machine     cores, versions, commit: what a row must say about where it was made
    running     start a pinned process, wait until it serves, end it whatever happens
    load/       the load generator (wrk) and the idle client
    upstream/   the server behind every proxy (nginx)
    relay/      the byte relay in C
    peers/      one file per proxy: its configuration and its command line
    scenarios/  one file per kind of measurement
    rounds      the interleaved rounds
    rows        results on disk, one JSON object a line
    report      what a person sees
"""
