"""Is anything missing, altered or out of place?"""
