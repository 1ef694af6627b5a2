"""The differential harness: the same config and the same raw bytes through Envoy and through us, and the same answer.

Cases are data (`cases/*.yaml`); this package reads them (`case.py`), builds one bootstrap with a listener per case
(`config.py`), plays both ends of every connection byte by byte (`client.py`, `upstream.py`), collects what was seen
(`run.py`), takes out what may differ (`normalise.py`) and compares the rest (`compare.py`).
Must not judge a behaviour by itself: Envoy's answer is the expectation, `known.yaml` names each agreed difference.
Entry points: pytest (`test_differential.py`) and `python -m tests.differential`. Everything runs on one asyncio loop.
"""
