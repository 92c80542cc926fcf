"""`standpipe demo`: the promise on a real OpenBao, with faults, counted by code that shares nothing with delivery."""
