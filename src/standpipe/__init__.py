"""standpipe: every Vault audit record leaves the pod, in order, provably.

This module imports nothing, because capture, hold and relay pass through it and must start in milliseconds.
"""

__version__ = "0.1.0"
