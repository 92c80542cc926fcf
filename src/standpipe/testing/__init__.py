"""Shipped for whoever writes a sink: the conformance suite, the same cases against every one of them.

A suite's row is a `Kind` (standpipe.testing.destination): how to open the destination, and what it can do. Its columns
are the cases (standpipe.testing.cases). A case makes a journal, writes a config, runs the real `standpipe ship` against
a destination over a real connection, and looks at what has arrived and at what the journal says of it.
"""
