"""Whether anything is missing, altered or out of place."""
