"""Queue services, one file each; what they raise ends here, as QueueRefused."""
