"""The processes: the supervisor and its children, hold and relay."""
