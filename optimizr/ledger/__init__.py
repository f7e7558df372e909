"""What is on record of the pictures: so far, those that failed."""
