"""What is done already: the ledger, the lock on it, the pictures in flight, and those that failed.

Each outcome is committed here before its event is told, so whatever was told is not done again.
"""
